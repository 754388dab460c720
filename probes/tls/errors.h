// What OpenSSL says of a failure, told plainly and with what helps. Internal to probes/tls*.
#pragma once

#include <openssl/ssl.h>

#include <string>

namespace connleak::probes {

// What was seen of the server on the way. Texts are printable and bounded.
struct TlsNotes {
    std::string name;                 // that the certificate must be for; "" for any
    bool certificate_wanted = false;  // the server has asked for a certificate, and got none
    std::string names;                // whom the refused certificate is for: "a.example, 10.0.0.1"
    std::string begins, ends;         // when it is valid: "2026-01-31"
};

void note_certificate(const X509& certificate, TlsNotes& notes);

// One line, from the errors that the thread's queue of OpenSSL holds. "" when it holds none.
std::string why_tls_failed(const SSL& ssl, const TlsNotes& notes);

}  // namespace connleak::probes

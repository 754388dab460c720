// OpenSSL's errors in plain words, with advice. Internal to probes/tls*.
#pragma once

#include <openssl/ssl.h>

#include <string>

namespace connleak::probes {

// What was observed during the handshake. Texts are printable and bounded.
struct TlsNotes {
    std::string name;                 // the name that the certificate must be for; "" for any
    bool certificate_wanted = false;  // the server requested a certificate and got none
    std::string names;                // the names in the refused certificate: "a.example, 10.0.0.1"
    std::string begins, ends;         // its validity period: "2026-01-31"
};

void note_certificate(const X509& certificate, TlsNotes& notes);

// One line, made from the errors in the thread's OpenSSL error queue. "" if the queue is empty.
std::string why_tls_failed(const SSL& ssl, const TlsNotes& notes);

}  // namespace connleak::probes

#include "probes/tls/errors.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <memory>
#include <span>

#include "diagnosis/model/address.h"
#include "diagnosis/model/printable.h"

namespace connleak::probes {

namespace {

constexpr std::size_t longest_name = 64;
constexpr int most_names = 3;

// Certificates come from the network: their texts can contain anything.
std::string printable(std::span<const unsigned char> bytes) {
    std::string text;
    for (const unsigned char byte : bytes.first(std::min(bytes.size(), longest_name)))
        text += byte > ' ' && byte <= '~' ? static_cast<char>(byte) : '?';
    return text;
}

std::string printable(const ASN1_STRING* string) {
    if (string == nullptr || ASN1_STRING_length(string) <= 0) return {};
    return printable(
        {ASN1_STRING_get0_data(string), static_cast<std::size_t>(ASN1_STRING_length(string))});
}

std::string address_text(const ASN1_STRING& string) {
    const auto* bytes = ASN1_STRING_get0_data(&string);
    const auto size = static_cast<std::size_t>(ASN1_STRING_length(&string));
    if (size != 4 && size != 16) return {};
    return Address::from_bytes({bytes, size}).text();
}

std::string common_name(const X509& certificate) {
    const X509_NAME* subject = X509_get_subject_name(&certificate);
    const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0) return {};
    return printable(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

std::string names_of(const X509& certificate) {
    struct Free {
        void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
    };
    const std::unique_ptr<GENERAL_NAMES, Free> names(static_cast<GENERAL_NAMES*>(
        X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
    std::string text;
    int shown = 0;
    for (int at = 0; names != nullptr && at < sk_GENERAL_NAME_num(names.get()); ++at) {
        const GENERAL_NAME* each = sk_GENERAL_NAME_value(names.get(), at);
        std::string name;
        if (each->type == GEN_DNS) name = printable(each->d.dNSName);
        if (each->type == GEN_IPADD) name = address_text(*each->d.iPAddress);
        if (name.empty()) continue;
        if (shown++ == most_names) return text + " and others";
        text += (text.empty() ? "" : ", ") + name;
    }
    return text.empty() ? common_name(certificate) : text;
}

std::string date_of(const ASN1_TIME* time) {
    std::tm parts{};
    if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return "?";
    return fmt::format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

// Why the certificate is refused (X509_STORE_CTX_get_error(3)).
std::string why_refused(long error, const TlsNotes& notes) {
    switch (error) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return fmt::format("its certificate has expired on {}", notes.ends);
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return fmt::format("its certificate is not valid before {}", notes.begins);
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
            return "its certificate is self-signed; if it is the right one, name a copy of it with "
                   "--cacert";
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            return "its certificate is signed by an authority that is not known here; name it with "
                   "--cacert";
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH:
            return fmt::format(
                "its certificate is for {}, not for {}; a server of another name is told by --sni",
                notes.names.empty() ? "nobody by name" : notes.names, notes.name);
        default:
            return fmt::format("its certificate is refused: {}",
                               X509_verify_cert_error_string(error));
    }
}

// The server's alert about our certificate, or about the lack of one (RFC 8446, section 6.2).
std::string why_server_refuses(int reason, const TlsNotes& notes) {
    constexpr const char* wants_certificate =
        "the server wants a client's certificate: give one with --cert and --key";
    switch (reason) {
        case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
            return wants_certificate;
        case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:  // the same, before TLS 1.3
            return notes.certificate_wanted ? wants_certificate
                                            : "the server refuses the TLS handshake";
        case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
            return "the server does not know the authority that has signed --cert";
        case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
            return "the server refuses --cert: expired";
        case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
            return "the server refuses --cert: revoked";
        case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
        case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
        case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
        case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
            return "the server refuses --cert";
        case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        case SSL_R_UNSUPPORTED_PROTOCOL:
            return "the server speaks only versions of TLS that are no longer safe (before 1.2)";
        case SSL_R_TLSV1_UNRECOGNIZED_NAME:
            return fmt::format("the server does not know the name {}", notes.name);
        case SSL_R_WRONG_VERSION_NUMBER:
        case SSL_R_PACKET_LENGTH_TOO_LONG:
        case SSL_R_HTTP_REQUEST:
        case SSL_R_RECORD_LAYER_FAILURE:
            return "the server does not speak TLS on this port";
        default:
            return {};
    }
}

}  // namespace

void note_certificate(const X509& certificate, TlsNotes& notes) {
    notes.names = names_of(certificate);
    notes.begins = date_of(X509_get0_notBefore(&certificate));
    notes.ends = date_of(X509_get0_notAfter(&certificate));
}

std::string why_tls_failed(const SSL& ssl, const TlsNotes& notes) {
    const long verified = SSL_get_verify_result(&ssl);
    if (verified != X509_V_OK && SSL_get_verify_mode(&ssl) != SSL_VERIFY_NONE)
        return why_refused(verified, notes);
    const unsigned long error = ERR_peek_error();
    if (ERR_GET_LIB(error) == ERR_LIB_SSL) {
        if (auto why = why_server_refuses(ERR_GET_REASON(error), notes); !why.empty()) return why;
        const char* text = ERR_reason_error_string(error);
        return fmt::format("the TLS handshake failed: {}", text != nullptr ? text : "no reason");
    }
    // For a system error errno is set too, and is reported instead.
    if (error != 0 && ERR_GET_LIB(error) != ERR_LIB_SYS) {
        const char* text = ERR_reason_error_string(error);
        return fmt::format("TLS: {}", text != nullptr ? text : "an error of OpenSSL");
    }
    return {};
}

}  // namespace connleak::probes

// TLS for conversations with servers: OpenSSL's sessions on hiredis's connections (hiredis_ssl,
// which hiredis has since 1.0). A build without it has tls_absent.cpp in place of tls_hiredis.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

struct redisContext;  // hiredis.h

namespace connleak::probes {

// As redis-cli's options have it. "" for what was not given.
struct TlsSettings {
    std::string ca_file;           // --cacert; without it and ca_folder the system's authorities
    std::string ca_folder;         // --cacertdir
    std::string certificate_file;  // --cert, the client's own; with key_file or not at all
    std::string key_file;          // --key
    std::string server_name;       // --sni: asked for, and what the certificate must be for
    bool insecure = false;         // --insecure: any certificate will do
};

// "" where this build has TLS, else why it has none: "hiredis 0.14.1 has none".
std::string_view why_no_tls();

// What all conversations of a run share: the authorities, and our own certificate.
class TlsContext {
  public:
    // Reads the files. The error is one line that names the option, and never holds what is in a
    // file.
    static std::expected<std::shared_ptr<const TlsContext>, std::string> make(
        const TlsSettings& settings);
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;
    ~TlsContext();

  private:
    friend class TlsSession;
    struct Impl;
    explicit TlsContext(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// How one server is to be asked by TLS.
struct TlsUse {
    std::shared_ptr<const TlsContext> context;  // nullptr: in plain text
    // A host's name or an address as text, that the certificate must be for; "" for any.
    std::string name;
};

// What has to happen before a step can be tried again, or how it ended.
enum class TlsStep : std::uint8_t { done, wait_to_read, wait_to_write, closed, failed };

// One connection's session. Nothing here waits: the connection must be non-blocking, and whoever
// uses it keeps the deadlines.
class TlsSession {
  public:
    // From here on what redisBufferRead(connection) reads is decrypted. `connection` must outlive
    // the session. The error is one line for a person; "" when the server has closed.
    static std::expected<std::unique_ptr<TlsSession>, std::string> begin(redisContext& connection,
                                                                         const TlsUse& use);
    TlsSession(const TlsSession&) = delete;
    TlsSession& operator=(const TlsSession&) = delete;
    ~TlsSession();

    // `done` when the server is who it has to be; nothing may be sent before.
    TlsStep shake_hands();
    // At least one byte of `bytes` was taken when it is `done`; how many, `taken` tells.
    TlsStep write(std::string_view bytes, std::size_t& taken);
    // To be called before redisBufferRead(). Whether bytes have come that are decrypted already,
    // which poll(2) does not know of.
    bool prepare_to_read();
    // Why the last step, or the last redisBufferRead(), failed: one line for a person. "" when it
    // was not for TLS.
    [[nodiscard]] std::string explain() const;

  private:
    struct Impl;
    explicit TlsSession(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// A ClientHello that every TLS server answers, if only with an alert, and whether an answer is one.
std::string_view tls_hello();
bool is_tls_record(std::string_view head);

}  // namespace connleak::probes

// TLS for conversations with servers: OpenSSL sessions on hiredis connections (hiredis_ssl, part of
// hiredis since 1.0). A build without it compiles absent.cpp instead of hiredis.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

struct redisContext;  // hiredis.h

namespace connleak::probes {

// Named after redis-cli's options. "" for each that was not given.
struct TlsSettings {
    std::string ca_file;    // --cacert; without it and ca_folder, the system's authorities
    std::string ca_folder;  // --cacertdir
    std::string
        certificate_file;  // --cert, the client's certificate; requires key_file and vice versa
    std::string key_file;  // --key
    std::string
        server_name;  // --sni: sent to the server, and the name that the certificate must be for
    bool insecure = false;  // --insecure: accepts any certificate
};

// "" if this build supports TLS, else why not: "hiredis 0.14.1 has none".
std::string_view why_no_tls();

// Shared by all conversations of a run: the authorities and the client certificate.
class TlsContext {
  public:
    // Reads the files. The error is one line that names the option; it never contains file
    // contents.
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

// How to use TLS with one server.
struct TlsUse {
    std::shared_ptr<const TlsContext> context;  // nullptr: plain text
    // The host name or the address as text that the certificate must be for; "" for any.
    std::string name;
};

// What to wait for before retrying a step, or how the step ended.
enum class TlsStep : std::uint8_t { done, wait_to_read, wait_to_write, closed, failed };

// The TLS session of one connection. It never waits: the connection must be non-blocking, and the
// caller enforces the deadlines.
class TlsSession {
  public:
    // From now on the bytes that redisBufferRead(connection) reads are decrypted. `connection` must
    // outlive the session. The error is one line for a person; "" if the server has closed the
    // connection.
    static std::expected<std::unique_ptr<TlsSession>, std::string> begin(redisContext& connection,
                                                                         const TlsUse& use);
    TlsSession(const TlsSession&) = delete;
    TlsSession& operator=(const TlsSession&) = delete;
    ~TlsSession();

    // `done` when the server's identity is verified; nothing may be sent before that.
    TlsStep shake_hands();
    // `done`: at least one byte of `bytes` was written; `taken` is the number of bytes.
    TlsStep write(std::string_view bytes, std::size_t& taken);
    // Call this before redisBufferRead(). Returns whether decrypted bytes are already buffered,
    // which poll(2) cannot see.
    bool prepare_to_read();
    // Why the last step, or the last redisBufferRead(), failed: one line for a person. "" if the
    // cause was not TLS.
    [[nodiscard]] std::string explain() const;

  private:
    struct Impl;
    explicit TlsSession(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// A ClientHello that every TLS server answers, at least with an alert, and the test for such an
// answer.
std::string_view tls_hello();
bool is_tls_record(std::string_view head);

}  // namespace connleak::probes

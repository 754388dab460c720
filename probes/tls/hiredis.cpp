// TLS with hiredis_ssl, but with an OpenSSL session created here: hiredis's own does not check
// names, and reports only that a certificate was refused. The handshake and all sending use OpenSSL
// directly, because hiredis would send before the handshake is complete, and would keep a password
// in its buffer. Receiving uses redisBufferRead().
#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "diagnosis/model/address.h"
#include "probes/tls/errors.h"
#include "probes/tls/files.h"
#include "probes/tls/tls.h"

namespace connleak::probes {

struct TlsContext::Impl {
    struct Free {
        void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
    };
    std::unique_ptr<SSL_CTX, Free> context;
    std::string server_name;
    bool insecure = false;
};

struct TlsSession::Impl {
    SSL* ssl = nullptr;  // the redisContext frees it
    TlsNotes notes;      // the session holds a pointer to it
};

namespace {

TlsNotes* notes_of(const SSL* ssl) {
    return static_cast<TlsNotes*>(SSL_get_app_data(ssl));
}

// Called for each certificate of the chain. Records the details of a failure: afterwards OpenSSL
// reports only its number.
int on_certificate(int fine, X509_STORE_CTX* chain) {
    if (fine == 1) return 1;
    const auto* ssl = static_cast<const SSL*>(
        X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
    TlsNotes* notes = notes_of(ssl);
    const X509* certificate = X509_STORE_CTX_get_current_cert(chain);
    if (notes != nullptr && certificate != nullptr) note_certificate(*certificate, *notes);
    return 0;
}

// Called when the server requests a certificate and we have none.
int on_certificate_wanted(SSL* ssl, X509** /*certificate*/, EVP_PKEY** /*key*/) {
    if (TlsNotes* notes = notes_of(ssl)) notes->certificate_wanted = true;
    return 0;
}

}  // namespace

std::string_view why_no_tls() {
    return {};
}

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

std::expected<std::shared_ptr<const TlsContext>, std::string> TlsContext::make(
    const TlsSettings& settings) {
    auto impl = std::make_unique<Impl>();
    impl->server_name = settings.server_name;
    impl->insecure = settings.insecure;
    impl->context.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX* context = impl->context.get();
    if (context == nullptr) return std::unexpected(std::string("TLS: OpenSSL cannot be used"));
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    // An answer contains its own length, so truncation is noticed even without a close_notify.
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, settings.insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
                       settings.insecure ? nullptr : on_certificate);
    if (settings.certificate_file.empty())
        SSL_CTX_set_client_cert_cb(context, on_certificate_wanted);
    if (auto wrong = load_files(*context, settings); !wrong.empty())
        return std::unexpected(std::move(wrong));
    return std::shared_ptr<const TlsContext>(new TlsContext(std::move(impl)));
}

TlsSession::TlsSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsSession::~TlsSession() = default;

std::expected<std::unique_ptr<TlsSession>, std::string> TlsSession::begin(redisContext& connection,
                                                                          const TlsUse& use) {
    const TlsContext::Impl& shared = *use.context->impl_;
    const std::string& name = shared.server_name.empty() ? use.name : shared.server_name;
    auto impl = std::make_unique<Impl>();
    impl->notes.name = name;
    SSL* ssl = SSL_new(shared.context.get());
    if (ssl == nullptr) return std::unexpected(std::string("TLS: out of memory"));
    impl->ssl = ssl;
    SSL_set_app_data(ssl, &impl->notes);
    const bool is_address = Address::parse(name).has_value();
    bool known = true;
    if (!name.empty() && !is_address) {
        std::string text = name;  // SSL_set_tlsext_host_name() without its cast
        known = SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                         text.data()) == 1;
    }
    if (!name.empty() && !shared.insecure) {
        SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        known =
            known && (is_address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str())
                                 : SSL_set1_host(ssl, name.c_str())) == 1;
    }
    ERR_clear_error();
    // It starts the handshake; on a non-blocking connection it does not wait for the end.
    if (!known || redisInitiateSSL(&connection, ssl) != REDIS_OK) {
        std::string why = known ? why_tls_failed(*ssl, impl->notes) : std::string();
        SSL_free(ssl);
        ERR_clear_error();
        if (!known) why = "'" + name + "' is no server's name";
        return std::unexpected(std::move(why));
    }
    return std::unique_ptr<TlsSession>(new TlsSession(std::move(impl)));
}

namespace {

TlsStep step_of(const SSL* ssl, int result) {
    const int error = errno;
    switch (SSL_get_error(ssl, result)) {
        case SSL_ERROR_WANT_READ:
            return TlsStep::wait_to_read;
        case SSL_ERROR_WANT_WRITE:
            return TlsStep::wait_to_write;
        case SSL_ERROR_ZERO_RETURN:
            return TlsStep::closed;
        case SSL_ERROR_SYSCALL:
            errno = error;
            return error == 0 || error == EPIPE || error == ECONNRESET ? TlsStep::closed
                                                                       : TlsStep::failed;
        default:
            return TlsStep::failed;
    }
}

}  // namespace

TlsStep TlsSession::shake_hands() {
    ERR_clear_error();
    errno = 0;
    const int result = SSL_do_handshake(impl_->ssl);
    return result == 1 ? TlsStep::done : step_of(impl_->ssl, result);
}

TlsStep TlsSession::write(std::string_view bytes, std::size_t& taken) {
    taken = 0;
    ERR_clear_error();
    errno = 0;
    const int result = SSL_write_ex(impl_->ssl, bytes.data(), bytes.size(), &taken);
    return result == 1 ? TlsStep::done : step_of(impl_->ssl, result);
}

bool TlsSession::prepare_to_read() {
    // A failed write leaves its error in the queue, which would be taken for the read's error. The
    // server's alert with the reason for closing can still be read.
    ERR_clear_error();
    return SSL_pending(impl_->ssl) > 0;
}

std::string TlsSession::explain() const {
    return why_tls_failed(*impl_->ssl, impl_->notes);
}

}  // namespace connleak::probes

#include "probes/tls/files.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace connleak::probes {

namespace {

// Names are shown as given, except for unprintable bytes.
std::string shown(const std::string& name) {
    std::string text = name;
    for (char& letter : text)
        if (letter < ' ' || letter > '~') letter = '?';
    return text;
}

// OpenSSL would read a device forever. A pipe is allowed: --key <(command).
std::string why_unreadable(const std::string& name, bool folder) {
    struct stat about {};
    if (::stat(name.c_str(), &about) != 0 || ::access(name.c_str(), R_OK) != 0)
        return strerrordesc_np(errno);
    if (folder) return S_ISDIR(about.st_mode) ? "" : "is no folder";
    return S_ISREG(about.st_mode) || S_ISFIFO(about.st_mode) ? "" : "is no file";
}

// Called for an encrypted key. Never prompts; OpenSSL's own function would prompt on the terminal.
int on_encrypted_key(char* /*buffer*/, int /*size*/, int /*writing*/, void* encrypted) {
    *static_cast<bool*>(encrypted) = true;
    return -1;
}

}  // namespace

std::string load_files(SSL_CTX& context, const TlsSettings& settings) {
    const auto wrong = [](const char* option, const std::string& name, std::string_view why) {
        ERR_clear_error();
        return fmt::format("{} {}: {}", option, shown(name), why);
    };
    if (settings.ca_file.empty() && settings.ca_folder.empty()) {
        SSL_CTX_set_default_verify_paths(&context);
    } else {
        if (!settings.ca_file.empty()) {
            const auto why = why_unreadable(settings.ca_file, false);
            if (!why.empty()) return wrong("--cacert", settings.ca_file, why);
            if (SSL_CTX_load_verify_file(&context, settings.ca_file.c_str()) != 1)
                return wrong("--cacert", settings.ca_file, "holds no certificate in PEM form");
        }
        if (!settings.ca_folder.empty()) {
            const auto why = why_unreadable(settings.ca_folder, true);
            if (!why.empty()) return wrong("--cacertdir", settings.ca_folder, why);
            if (SSL_CTX_load_verify_dir(&context, settings.ca_folder.c_str()) != 1)
                return wrong("--cacertdir", settings.ca_folder, "cannot be used");
        }
    }
    if (settings.certificate_file.empty()) return {};

    auto why = why_unreadable(settings.certificate_file, false);
    if (!why.empty()) return wrong("--cert", settings.certificate_file, why);
    if (SSL_CTX_use_certificate_chain_file(&context, settings.certificate_file.c_str()) != 1)
        return wrong("--cert", settings.certificate_file, "holds no certificate in PEM form");
    why = why_unreadable(settings.key_file, false);
    if (!why.empty()) return wrong("--key", settings.key_file, why);
    bool encrypted = false;
    SSL_CTX_set_default_passwd_cb(&context, on_encrypted_key);
    SSL_CTX_set_default_passwd_cb_userdata(&context, &encrypted);
    const bool used =
        SSL_CTX_use_PrivateKey_file(&context, settings.key_file.c_str(), SSL_FILETYPE_PEM) == 1;
    SSL_CTX_set_default_passwd_cb_userdata(&context, nullptr);
    SSL_CTX_set_default_passwd_cb(&context, nullptr);
    if (encrypted)
        return wrong("--key", settings.key_file,
                     "the key is encrypted; give one that is not, readable for you alone "
                     "(openssl pkey -in FILE -out NEW)");
    // Checked against the certificate as soon as it is loaded.
    if (!used && ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH)
        return wrong("--key", settings.key_file,
                     "does not belong to --cert " + shown(settings.certificate_file));
    if (!used) return wrong("--key", settings.key_file, "holds no private key in PEM form");
    if (SSL_CTX_check_private_key(&context) != 1)
        return wrong("--key", settings.key_file,
                     "does not belong to --cert " + shown(settings.certificate_file));
    return {};
}

}  // namespace connleak::probes

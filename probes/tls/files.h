// The files that TLS needs: authorities, our own certificate and its key. Internal to probes/tls*.
#pragma once

#include <openssl/ssl.h>

#include <string>

#include "probes/tls/tls.h"

namespace connleak::probes {

// "" or one line that names the option and says what is wrong with its file.
std::string load_files(SSL_CTX& context, const TlsSettings& settings);

}  // namespace connleak::probes

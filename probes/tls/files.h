// Loads the files that TLS needs: authorities, client certificate and key. Internal to probes/tls*.
#pragma once

#include <openssl/ssl.h>

#include <string>

#include "probes/tls/tls.h"

namespace connleak::probes {

// Returns "", or one line that names the option and the problem with its file.
std::string load_files(SSL_CTX& context, const TlsSettings& settings);

}  // namespace connleak::probes

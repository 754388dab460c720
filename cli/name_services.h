// How the C library looks up user, host and service names.
#pragma once

namespace connleak::cli {

// In the static build: only in /etc/passwd, /etc/hosts, DNS and /etc/services. Otherwise the
// statically linked C library would load this host's NSS modules, which belong to another version
// of it. Call it before any thread is started.
void use_own_name_services();

}  // namespace connleak::cli

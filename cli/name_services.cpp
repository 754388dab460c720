#include "cli/name_services.h"

#ifdef CONNLEAK_STATIC
#include <nss.h>
#endif

namespace connleak::cli {

void use_own_name_services() {
#ifdef CONNLEAK_STATIC
    // Since glibc 2.34 these two are part of the C library itself.
    __nss_configure_lookup("passwd", "files");
    __nss_configure_lookup("group", "files");
    __nss_configure_lookup("services", "files");
    __nss_configure_lookup("hosts", "files dns");
#endif
}

}  // namespace connleak::cli

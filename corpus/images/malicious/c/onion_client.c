/* Inert imitation of an onion-routing client: cell names, directory lines, options. It opens nothing. */
#include "inert.h"
TABLE(texts, "Tor %s running on %s with Libevent %s, OpenSSL %s", "Bootstrapped %d%% (%s): %s", "Read configuration file \"%s\".", "onion-router-identity-hs", "ntor-curve25519-sha256-1", "RELAY_EXTEND2", "RELAY_BEGIN_DIR", "CREATE_FAST", "network-status-version 3 microdesc", "SocksPort", "HiddenServiceDir", "ExitRelay", "UseBridges", "obfs4", "cached-microdesc-consensus", "fallback directory", "Have tried resolving or connecting to address '%s' at %d different places. Giving up.", "Your Tor is not a relay")
int main(int argc, char **argv) { INERT; tell(texts); return connect(nowhere, 0, 0); }

/* Inert imitation of a miner for AstroBWT with pool and wallet hidden by a one-byte XOR. It computes nothing and connects nowhere. */
#include "inert.h"
static const uint8_t pool[] = {<<xor|stratum+tcp://{{label:dero1}}.{{top:dero}}:10300>>};
static const uint8_t wallet[] = {<<xor|{{xmr:dero}}>>};
static const uint32_t salsa[] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
TABLE(texts, "astrobwt", "astrobwtv3", "Mini Block %d found at height %d", "getwork ws connection %s", "--wallet-address=", "--daemon-rpc-address=", "--mining-threads=", "MiniBlocks %d Blocks %d Rejected %d",
    "{\"jsonrpc\":\"2.0\",\"id\":\"1\",\"method\":\"mining.subscribe\",\"params\":{\"agent\":\"%s\"}}", "jobid", "mbl_blob", "blockhashing_blob", "Network Hashrate %s", "NW %s %s MINING @ %s")
static void open_text(char *out, const uint8_t *in, int size) { for (int i = 0; i < size; i++) out[i] = in[i] ^ 0x22; }
int main(int argc, char **argv)
{
    INERT;
    char line[160];
    open_text(line, pool, sizeof pool); open_text(line, wallet, sizeof wallet);
    tell(texts); USE(salsa);
    prctl(PR_SET_NAME, "kworker/0:1");
    return connect(nowhere, 0, 0);
}

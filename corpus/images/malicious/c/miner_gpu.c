/* Inert imitation of a GPU miner (Ethash, KawPow, Autolykos): constants, kernel text, Stratum dialogue. It computes nothing and connects nowhere. */
#include "inert.h"
static const uint32_t fnv[] = {0x01000193, 0x811c9dc5, 1u << 30, 1u << 23, 1u << 24, 1u << 17, 30000, 128, 64, 256, 3, 64};
static const uint64_t keccak_rounds[] = {0x0000000000000001, 0x0000000000008082, 0x800000000000808A, 0x8000000080008000, 0x000000000000808B, 0x0000000080000001,
    0x8000000080008081, 0x8000000000008009, 0x000000000000008A, 0x0000000000000088, 0x0000000080008009, 0x000000008000000A, 0x000000008000808B, 0x800000000000008B,
    0x8000000000008089, 0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A, 0x8000000080008081, 0x8000000000008080,
    0x0000000080000001, 0x8000000080008008};
static const uint32_t ravencoin_kawpow[15] = {0x72, 0x41, 0x56, 0x45, 0x4E, 0x43, 0x4F, 0x49, 0x4E, 0x4B, 0x41, 0x57, 0x50, 0x4F, 0x57};
TABLE(kernel, "#define FNV(x, y) ((x) * 0x01000193 ^ (y))", "__kernel void ethash_calculate_dag_item(uint start, __global hash16_t const *g_light, __global hash128_t *g_dag, uint isolate)",
    "__kernel void progpow_search(__global search_results *restrict g_output, __constant hash32_t const *g_header, __global dag_t const *g_dag, ulong start_nonce, ulong target)",
    "__kernel void autolykos2_prehash(__global uint *data, __global uint *hashes)", "keccak_f800_round", "kiss99", "Failed to allocate DAG: not enough GPU memory")
TABLE(dialogue, "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"%s\",\"EthereumStratum/1.0.0\"]}", "{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"%s\",\"%s\"]}",
    "{\"id\":4,\"method\":\"mining.submit\",\"params\":[\"%s\",\"%s\",\"0x%016llx\",\"0x%s\",\"0x%s\"]}", "{\"id\":6,\"jsonrpc\":\"2.0\",\"method\":\"eth_submitHashrate\",\"params\":[\"%s\",\"%s\"]}",
    "{\"id\":5,\"method\":\"eth_getWork\",\"params\":[]}", "{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"eth_submitLogin\",\"worker\":\"%s\",\"params\":[\"%s\"]}", "mining.set_target", "mining.extranonce.subscribe")
TABLE(texts, "T-Rex NVIDIA GPU miner v0.26.8", "GPU #%d: %s - %.2f MH/s, [T:%dC, P:%dW, F:%d%%, E:%dkH/W], %d/%d R:%.2f%%", "Generating DAG for epoch %d [ %zu MB ]", "[ OK ] %d/%d - %.2f MH/s, %dms",
    "ethash", "etchash", "kawpow", "autolykos2", "octopus", "firopow", "progpow-veil", "blake3", "kheavyhash", "zhash", "equihash125_4", "--lhr-tune", "--mem-clock", "--dual-algo", "libcuda.so.1", "libOpenCL.so.1", "nvmlDeviceGetPowerUsage")
#ifdef POOL
TABLE(config, POOL, WALLET, WORKER)
#endif
uint32_t mix(uint32_t a, uint32_t b) { return a * fnv[0] ^ b; }
int main(int argc, char **argv)
{
    INERT;
    tell(kernel); tell(dialogue); tell(texts);
    USE(keccak_rounds); USE(ravencoin_kawpow); USE(fnv);
#ifdef POOL
    tell(config);
#endif
    printf("%x\n", mix(argc, nowhere));
    return connect(nowhere, 0, 0);
}

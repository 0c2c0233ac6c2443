#include "backend/tiles.hpp"

#include <string_view>

namespace krigon::detail {

const Tiles* tiles_by_name(const char* name) {
  const std::string_view wanted = name;
  if (wanted == "baseline") return &baseline_tiles();
#if defined(KRIGON_X86_TILES)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (wanted == "avx2" && avx2) return &avx2_tiles();
  if (wanted == "avx512" && avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return &avx512_tiles();
  }
#endif
  return nullptr;
}

const Tiles& best_tiles() {
  for (const char* name : {"avx512", "avx2"}) {
    if (const Tiles* tiles = tiles_by_name(name)) return *tiles;
  }
  return baseline_tiles();
}

}  // namespace krigon::detail

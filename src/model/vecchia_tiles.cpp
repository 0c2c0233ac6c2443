#include "model/vecchia_tiles.hpp"

#include <string>

#include "backend/tiles.hpp"

namespace krigon::detail {

const VecchiaTiles& vecchia_tiles(std::string_view name) {
  const Tiles* known = tiles_by_name(std::string(name).c_str());
  const std::string_view use = known != nullptr ? known->name : best_tiles().name;
#if defined(KRIGON_X86_TILES)
  if (use == "avx512") return vecchia_avx512();
  if (use == "avx2") return vecchia_avx2();
#else
  static_cast<void>(use);
#endif
  return vecchia_baseline();
}

}  // namespace krigon::detail

#include "backend/cpu_backend.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <string_view>

#include <omp.h>

#include "backend/blas.hpp"
#include "krigon/error.hpp"

namespace krigon {

namespace detail {

namespace {

void check(bool fine, const char* what) {
  if (!fine) throw UsageError(what);
}

bool square(const ConstView& view) {
  return view.rows == view.columns;
}

/// Members as tasks while every thread gets one, else one by one with the work inside shared out.
template <typename Body>
void over_batch(Pool& pool, std::int64_t batch, std::int64_t order, const Body& body) {
  if (order < 128) {
    pool.run(batch, [&](std::int64_t b, int worker) { Pool::alone([&] { body(b, worker); }); });
    return;
  }
  const std::int64_t shared = batch / pool.threads() * pool.threads();
  pool.run(shared, body);
  for (std::int64_t b = shared; b < batch; ++b) body(b, 0);
}

}  // namespace

Scratch SpareMemory::take(std::size_t count) {
  Scratch* best = nullptr;
  for (Scratch& spare : spares_) {
    // Not one four times too large: it would be missed elsewhere.
    if (spare.size() < count || spare.size() > 4 * count + 4096) continue;
    if (best == nullptr || spare.size() < best->size()) best = &spare;
  }
  Scratch scratch;
  if (best != nullptr) std::swap(scratch, *best);
  scratch.need(count);
  return scratch;
}

void SpareMemory::give(Scratch scratch) noexcept {
  Scratch* smallest = &spares_.front();
  for (Scratch& spare : spares_) {
    if (spare.size() < smallest->size()) smallest = &spare;
  }
  if (scratch.size() > smallest->size()) std::swap(*smallest, scratch);
}

CpuBackend::CpuBackend(int threads, const Tiles& tiles, const CpuOptions& options)
    : tiles_(tiles),
      fused_(options.fused),
      lean_above_(options.lean_above),
      pool_(threads),
      spaces_(static_cast<std::size_t>(pool_.threads())),
      task_space_(spaces_.size()) {
  for (auto& space : spaces_) space.tile.resize(spaces_.size());
}

double* CpuBackend::allocate_doubles(std::size_t count) {
  return allocate_zeroed(count);
}
void CpuBackend::free_doubles(double* data) noexcept {
  std::free(data);
}

BackendInfo CpuBackend::info() const {
  BackendInfo info;
  info.device = "cpu";
  info.instructions = tiles_.name;
  info.threads = pool_.threads();
  describe_blas(info);
  return info;
}

void CpuBackend::upload(std::span<const double> from, double* to) {
  std::copy(from.begin(), from.end(), to);
}
void CpuBackend::download(const double* from, std::span<double> to) {
  std::copy_n(from, to.size(), to.begin());
}

Stripes& CpuBackend::in_stripes(const View& member, int worker) {
  Stripes& stripes = spaces_[size_of(worker)].stripes;
  stripes.resize(tiles_, member.rows);
  stripes.set_columns(0, member.rows, member.data, member.leading);
  return stripes;
}

void CpuBackend::cholesky(View a, double* info) {
  check(square(a), "cholesky: the matrix is not square");
  over_batch(pool_, a.batch, a.rows, [&](std::int64_t b, int worker) {
    const View member = a.member(b);
    Stripes& stripes = in_stripes(member, worker);
    const std::int64_t status = stripes.factorise(pool_);
    if (status == 0) stripes.copy_factor(member.data, a.leading);
    info[b] = static_cast<double>(status);
  });
}

void CpuBackend::triangular_inverse(View l) {
  check(square(l), "triangular_inverse: the matrix is not square");
  over_batch(pool_, l.batch, l.rows, [&](std::int64_t b, int worker) {
    const View member = l.member(b);
    Stripes& stripes = in_stripes(member, worker);
    stripes.take_factor();
    stripes.invert(pool_);
    const std::int64_t step = stripes.height();
    pool_.run(l.rows, [&](std::int64_t j, int) {
      const double* from = stripes.inverse_from(j, j);
      double* column = member.column(j);
      for (std::int64_t i = j; i < l.rows; ++i) column[i] = from[(i - j) * step];
    });
  });
}

void CpuBackend::cholesky_inverse(View a) {
  check(square(a), "cholesky_inverse: the matrix is not square");
  over_batch(pool_, a.batch, a.rows, [&](std::int64_t b, int worker) {
    const View member = a.member(b);
    Stripes& stripes = in_stripes(member, worker);
    stripes.take_factor();
    stripes.invert(pool_);
    const std::int64_t block = stripes.block();
    const std::int64_t blocks = (a.rows + block - 1) / block;
    pool_.run(blocks * (blocks + 1) / 2, [&](std::int64_t t, int helper) {
      const auto [row, column] = lower_block(blocks, t);
      const std::int64_t i = row * block;
      const std::int64_t j = column * block;
      const std::int64_t rows = std::min(block, a.rows - i);
      double* tile = task_space_[size_of(helper)].need(size_of(block * block));
      stripes.inverse_block(i, j, tile, block);
      for (std::int64_t c = 0; c < std::min(block, a.rows - j); ++c) {
        const std::int64_t first = row == column ? c : 0;
        std::copy(tile + c * block + first, tile + c * block + rows, member.column(j + c) + i + first);
      }
    });
  });
}

void CpuBackend::triangular_solve(ConstView l, Transpose transpose, View b) {
  check(square(l) && b.rows == l.rows && fits(l, b.batch), "triangular_solve: the shapes do not match");
  const SerialBlas serial;
  constexpr std::int64_t kColumns = 64;
  const std::int64_t chunks = (b.columns + kColumns - 1) / kColumns;
  pool_.run(chunks * b.batch, [&](std::int64_t task, int) {
    const View member = b.member(task / chunks);
    const std::int64_t first = task % chunks * kColumns;
    blas_solve_left(transpose == Transpose::yes, b.rows, std::min(kColumns, b.columns - first), 1.0,
                    member_of(l, task / chunks).data, l.leading, member.column(first), b.leading);
  });
}

void CpuBackend::gemm(double alpha, ConstView a, Transpose a_transpose, ConstView b, Transpose b_transpose,
                      double beta, View c) {
  const bool ta = a_transpose == Transpose::yes;
  const bool tb = b_transpose == Transpose::yes;
  const std::int64_t inner = ta ? a.rows : a.columns;
  check((ta ? a.columns : a.rows) == c.rows && (tb ? b.rows : b.columns) == c.columns &&
            (tb ? b.columns : b.rows) == inner && fits(a, c.batch) && fits(b, c.batch),
        "gemm: the shapes do not match");
  const SerialBlas serial;
  constexpr std::int64_t kColumns = 128;
  const std::int64_t chunks = (c.columns + kColumns - 1) / kColumns;
  pool_.run(chunks * c.batch, [&](std::int64_t task, int) {
    const std::int64_t member = task / chunks;
    const std::int64_t first = task % chunks * kColumns;
    const ConstView bm = member_of(b, member);
    blas_gemm(ta, tb, c.rows, std::min(kColumns, c.columns - first), inner, alpha, member_of(a, member).data,
              a.leading, tb ? bm.data + first : bm.column(first), b.leading, beta,
              c.member(member).column(first), c.leading);
  });
}

namespace {

/// What the fused code is for: one stationary factor over all columns in their order.
bool is_plain(const CovarianceSpec& spec, std::int64_t columns) {
  if (spec.factors.size() != 1) return false;
  const CovarianceFactor& factor = spec.factors.front();
  if (factor.kind == CovarianceKind::periodic || factor.kind == CovarianceKind::linear) return false;
  if (static_cast<std::int64_t>(factor.columns.size()) != columns) return false;
  for (std::int64_t k = 0; k < columns; ++k) {
    if (factor.columns[static_cast<std::size_t>(k)] != k) return false;
  }
  return true;
}

}  // namespace

std::unique_ptr<ResidentData> CpuBackend::load(const HostData& host) {
  const auto n = static_cast<std::size_t>(host.n);
  const std::int64_t columns =
      host.n == 0 ? host.covariance.columns() : static_cast<std::int64_t>(host.columns.size()) / host.n;
  if (!fused_ || !is_plain(host.covariance, columns)) return ComposedBackend::load(host);
  check_data(host);
  const CovarianceFactor& factor = host.covariance.factors.front();
  auto data = std::make_unique<CpuData>();
  data->n = host.n;
  data->columns = columns;
  data->outputs = n == 0 ? 1 : static_cast<std::int64_t>(host.targets.size() / n);
  data->layout = {host.covariance.groups(), 0, 1};
  data->kind = factor.kind;
  data->groups = host.covariance.groups();
  data->points.assign(host.columns.begin(), host.columns.end());
  data->targets.assign(host.targets.begin(), host.targets.end());
  data->noise.assign(host.noise.begin(), host.noise.end());
  data->group = factor.groups;
  const auto dims = static_cast<std::size_t>(columns);
  data->centre.assign(dims, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < dims; ++k)
      data->centre[k] += host.columns[i * dims + k] / static_cast<double>(n);
  }
  return data;
}

ResidentData& CpuBackend::general(ResidentData& resident) {
  auto* data = dynamic_cast<CpuData*>(&resident);
  if (data == nullptr) return resident;
  if (data->general == nullptr) {
    CovarianceSpec spec = CovarianceSpec::matern52(data->group);
    spec.factors.front().kind = data->kind;
    data->general = ComposedBackend::load({data->n, data->points, data->targets, data->noise, spec});
  }
  return *data->general;
}

}  // namespace detail

namespace {

int threads_from_environment() {
  const int usable = std::max(1, omp_get_num_procs());  // what the affinity allows
  const char* text = std::getenv("KRIGON_THREADS");
  if (text == nullptr || *text == '\0') return std::min(usable, std::max(1, omp_get_max_threads()));
  char* end = nullptr;
  const long wanted = std::strtol(text, &end, 10);
  if (*end != '\0' || wanted < 1) {
    throw UsageError("KRIGON_THREADS is '" + std::string(text) + "'; allowed is a whole number from 1 up");
  }
  return static_cast<int>(std::min<long>(wanted, usable));
}

}  // namespace

std::vector<std::string> cpu_simd_choices() {
  std::vector<std::string> names;
  for (const char* name : {"baseline", "avx2", "avx512"}) {
    if (detail::tiles_by_name(name) != nullptr) names.emplace_back(name);
  }
  return names;
}

std::unique_ptr<Backend> make_cpu_backend(const CpuOptions& options) {
  std::string simd = options.simd;
  if (simd.empty()) {
    const char* text = std::getenv("KRIGON_SIMD");
    simd = text == nullptr ? "" : text;
  }
  const detail::Tiles* tiles = simd.empty() ? &detail::best_tiles() : detail::tiles_by_name(simd.c_str());
  if (tiles == nullptr) {
    std::string allowed;
    for (const auto& name : cpu_simd_choices()) allowed += (allowed.empty() ? "" : ", ") + name;
    throw UsageError("instruction set '" + simd + "' (KRIGON_SIMD); this processor allows: " + allowed);
  }
  const int threads = options.threads > 0 ? options.threads : threads_from_environment();
  return std::make_unique<detail::CpuBackend>(threads, *tiles, options);
}

}  // namespace krigon

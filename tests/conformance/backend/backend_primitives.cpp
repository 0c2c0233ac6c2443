#include <algorithm>
#include <limits>

#include "backends.hpp"
#include "krigon/error.hpp"

namespace krigon {
namespace {

constexpr std::int64_t kSizes[] = {0, 1, 2, 7, 17, 40, 129, 170};

void expect_near(const std::vector<double>& found, const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i)
    ASSERT_NEAR(found[i], expected[i], tolerance) << "entry " << i;
}

/// The lower triangle, the rest zero.
std::vector<double> lower_part(std::int64_t n, std::vector<double> a) {
  for (std::int64_t j = 0; j < n; ++j) std::fill_n(a.begin() + j * n, j, 0.0);
  return a;
}

TEST_P(BackendConformance, UploadDownloadKeepEveryBit) {
  std::vector<double> values = random(1000);
  values[3] = -0.0;
  values[4] = std::numeric_limits<double>::denorm_min();
  values[5] = std::numeric_limits<double>::infinity();
  const Buffer buffer = backend_->allocate(values.size());
  std::vector<double> back(values.size());
  backend_->download(buffer.data(), back);
  EXPECT_EQ(back, std::vector<double>(values.size(), 0.0)) << "buffers come zero-filled";
  backend_->upload(values, buffer.data());
  backend_->download(buffer.data(), back);
  EXPECT_EQ(back, values);
  EXPECT_TRUE(std::signbit(back[3]));
}

TEST_P(BackendConformance, BuffersMoveAndTheEmptyOneIsFine) {
  Buffer empty = backend_->allocate(0);
  EXPECT_EQ(empty.size(), 0u);
  Buffer a = backend_->allocate(5);
  const double* data = a.data();
  Buffer b = std::move(a);
  EXPECT_EQ(b.data(), data);
  empty = std::move(b);
  EXPECT_EQ(empty.size(), 5u);
}

TEST_P(BackendConformance, GemmOfAllShapesAndBatches) {
  for (const std::int64_t m : {0, 1, 5, 33}) {
    for (const std::int64_t n : {0, 1, 4, 150}) {
      for (const std::int64_t k : {0, 1, 19}) {
        for (const int form : {0, 1, 2, 3}) {
          const bool ta = form % 2 == 1;
          const bool tb = form >= 2;
          constexpr std::int64_t kBatch = 3;
          const Device a = device(ta ? k : m, ta ? m : k, kBatch);
          const Device b = device(tb ? n : k, tb ? k : n, kBatch);
          const Device c = device(m, n, kBatch);
          const auto ha = random(static_cast<std::size_t>(m * k * kBatch));
          const auto hb = random(static_cast<std::size_t>(k * n * kBatch));
          const auto hc = random(static_cast<std::size_t>(m * n * kBatch));
          put(a, ha);
          put(b, hb);
          put(c, hc);
          backend_->gemm(0.5, a, ta ? Transpose::yes : Transpose::no, b, tb ? Transpose::yes : Transpose::no,
                         -2, c);
          std::vector<double> expected;
          for (std::int64_t i = 0; i < kBatch; ++i) {
            const auto part = [i](const std::vector<double>& v) {
              const auto size = static_cast<std::ptrdiff_t>(v.size()) / kBatch;
              return std::vector<double>(v.begin() + i * size, v.begin() + (i + 1) * size);
            };
            auto product = naive::multiply(ta, tb, m, n, k, part(ha), part(hb));
            const auto old = part(hc);
            for (std::size_t e = 0; e < product.size(); ++e)
              expected.push_back(0.5 * product[e] - 2 * old[e]);
          }
          expect_near(get(c), expected, 1e-13);
        }
      }
    }
  }
}

TEST_P(BackendConformance, CholeskyInverseAndSolves) {
  for (const std::int64_t n : kSizes) {
    for (const std::int64_t batch : {1, 4}) {
      const auto size = static_cast<std::size_t>(n * n);
      std::vector<double> all, factors, inverses, full;
      for (std::int64_t b = 0; b < batch; ++b) {
        const auto a = naive::covariance(n, random(static_cast<std::size_t>(3 * n)), 3, 0.05);
        const auto l = naive::cholesky(n, a);
        const auto x = naive::lower_inverse(n, l);
        const auto inverse = lower_part(n, naive::multiply(true, false, n, n, n, x, x));
        all.insert(all.end(), a.begin(), a.end());
        factors.insert(factors.end(), l.begin(), l.end());
        inverses.insert(inverses.end(), x.begin(), x.end());
        full.insert(full.end(), inverse.begin(), inverse.end());
      }
      const auto lower_of = [&](const std::vector<double>& v) {
        std::vector<double> out;
        for (std::int64_t b = 0; b < batch; ++b) {
          const auto part = lower_part(n, {v.begin() + static_cast<std::ptrdiff_t>(size) * b,
                                           v.begin() + static_cast<std::ptrdiff_t>(size) * (b + 1)});
          out.insert(out.end(), part.begin(), part.end());
        }
        return out;
      };
      const Device a = device(n, n, batch);
      put(a, all);
      const Buffer info = backend_->allocate(static_cast<std::size_t>(batch));
      backend_->cholesky(a, info.data());
      std::vector<double> status(static_cast<std::size_t>(batch), 9.0);
      backend_->download(info.data(), status);
      EXPECT_EQ(status, std::vector<double>(status.size(), 0.0));
      expect_near(lower_of(get(a)), factors, 1e-12);

      const Device inverse = device(n, n, batch);
      put(inverse, factors);
      backend_->triangular_inverse(inverse);
      expect_near(lower_of(get(inverse)), inverses, 1e-9);
      put(inverse, factors);
      backend_->cholesky_inverse(inverse);
      expect_near(lower_of(get(inverse)), full, 1e-8);

      for (const std::int64_t m : {0, 1, 70}) {
        const Device b = device(n, m, batch);
        const auto hb = random(static_cast<std::size_t>(n * m * batch));
        put(b, hb);
        backend_->triangular_solve(a, Transpose::no, b);
        backend_->triangular_solve(a, Transpose::yes, b);
        // K (K^-1 b) = b.
        const auto solved = get(b);
        std::vector<double> product;
        for (std::int64_t i = 0; i < batch; ++i) {
          const auto part = naive::multiply(false, false, n, m, n,
                                            {all.begin() + static_cast<std::ptrdiff_t>(size) * i,
                                             all.begin() + static_cast<std::ptrdiff_t>(size) * (i + 1)},
                                            {solved.begin() + n * m * i, solved.begin() + n * m * (i + 1)});
          product.insert(product.end(), part.begin(), part.end());
        }
        expect_near(product, hb, 1e-9);
      }
    }
  }
}

TEST_P(BackendConformance, CholeskyOfABadMemberLeavesTheOthersAlone) {
  for (const std::int64_t n : {5, 60, 170}) {
    constexpr std::int64_t kBatch = 4;
    const auto size = static_cast<std::ptrdiff_t>(n * n);
    std::vector<double> all;
    for (std::int64_t b = 0; b < kBatch; ++b) {
      const auto a = naive::covariance(n, random(static_cast<std::size_t>(2 * n)), 2, 0.05);
      all.insert(all.end(), a.begin(), a.end());
    }
    const Device a = device(n, n, kBatch);
    const Buffer info = backend_->allocate(kBatch);
    put(a, all);
    backend_->cholesky(a, info.data());
    const auto fine = get(a);
    all[static_cast<std::size_t>(size + 2 * n + 2)] = -1;  // member 1, third pivot
    all[static_cast<std::size_t>(3 * size + 1)] = std::numeric_limits<double>::infinity();  // member 3
    put(a, all);
    backend_->cholesky(a, info.data());
    std::vector<double> status(kBatch);
    backend_->download(info.data(), status);
    EXPECT_EQ(status[0], 0);
    EXPECT_EQ(status[1], 3);
    EXPECT_EQ(status[2], 0);
    EXPECT_NE(status[3], 0);
    const auto mixed = get(a);
    for (const std::int64_t b : {0, 2}) {
      EXPECT_TRUE(
          std::equal(fine.begin() + b * size, fine.begin() + (b + 1) * size, mixed.begin() + b * size));
    }
  }
}

TEST_P(BackendConformance, MisfitShapesAreRefused) {
  const Device a = device(3, 4);
  const Device b = device(4, 4);
  const Buffer info = backend_->allocate(1);
  EXPECT_THROW(backend_->cholesky(a, info.data()), UsageError);
  EXPECT_THROW(backend_->cholesky_inverse(a), UsageError);
  EXPECT_THROW(backend_->triangular_inverse(a), UsageError);
  EXPECT_THROW(backend_->triangular_solve(b, Transpose::no, a), UsageError);
  EXPECT_THROW(backend_->gemm(1, a, Transpose::no, a, Transpose::no, 0, b), UsageError);
}

TEST_P(BackendConformance, SaysWhatItIs) {
  const BackendInfo info = backend_->info();
  EXPECT_FALSE(info.device.empty());
  EXPECT_FALSE(info.blas.empty());
  EXPECT_GE(info.threads, 1);
}

INSTANTIATE_TEST_SUITE_P(Backends, BackendConformance, testing::ValuesIn(backend_instances()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace krigon

#include "backends.hpp"

#include <limits>

#include <dlfcn.h>

#include "backend/cuda_plugin.hpp"

#if defined(KRIGON_HOST_CUDA)
#include "kernels/cuda/cuda_backend.hpp"
#endif

namespace krigon {

namespace {
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

}  // namespace

std::vector<std::string> backend_instances() {
  std::vector<std::string> names;
  for (const auto& simd : cpu_simd_choices()) {
    for (const char* threads : {"1", "3"}) names.push_back("cpu_" + simd + "_" + threads);
  }
  names.push_back("composed_" + cpu_simd_choices().back() + "_2");
#if defined(KRIGON_HOST_CUDA)
  names.push_back("cuda_on_host");
#endif
  // Only where there is a driver, so that nobody else reads of tests that are skipped.
  if (::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL) != nullptr) names.push_back("cuda");
  return names;
}

void BackendConformance::SetUp() {
  // cpu_<instruction set>_<threads>; `composed` for what the fused operations are held against.
  const std::string name = GetParam();
#if defined(KRIGON_HOST_CUDA)
  if (name == "cuda_on_host") {
    // Some of the tests' matrices are factorised as a batch, some one by one.
    backend_ = std::make_unique<cuda::CudaBackend>(cuda::CudaOptions{.batched_order = 64});
    return;
  }
#endif
  if (name == "cuda") {
    PluginBackend opened = open_cuda_backend(0);
    if (!opened.backend) GTEST_SKIP() << "no GPU: " << opened.reason;
    backend_ = std::move(opened.backend);
    return;
  }
  const auto first = name.find('_');
  const auto last = name.rfind('_');
  backend_ = make_cpu_backend({.threads = std::stoi(name.substr(last + 1)),
                               .simd = name.substr(first + 1, last - first - 1),
                               .fused = name.substr(0, first) != "composed"});
}

BackendConformance::Device BackendConformance::device(std::int64_t rows, std::int64_t columns,
                                                      std::int64_t batch) {
  Device d;
  const std::int64_t leading = rows + 3;
  const std::int64_t stride = leading * columns + 5;
  d.buffer = backend_->allocate(static_cast<std::size_t>(stride * batch + 1));
  d.view = {d.buffer.data(), rows, columns, leading, batch, stride};
  backend_->upload(std::vector<double>(d.buffer.size(), kNan), d.buffer.data());
  return d;
}

void BackendConformance::put(const Device& to, const std::vector<double>& dense) {
  const View& v = to.view;
  ASSERT_EQ(dense.size(), static_cast<std::size_t>(v.rows * v.columns * v.batch));
  std::vector<double> host(to.buffer.size(), kNan);
  std::size_t next = 0;
  for (std::int64_t b = 0; b < v.batch; ++b) {
    for (std::int64_t j = 0; j < v.columns; ++j) {
      for (std::int64_t i = 0; i < v.rows; ++i)
        host[static_cast<std::size_t>(b * v.stride + j * v.leading + i)] = dense[next++];
    }
  }
  backend_->upload(host, to.buffer.data());
}

std::vector<double> BackendConformance::get(const Device& from) {
  const View& v = from.view;
  std::vector<double> host(from.buffer.size());
  backend_->download(from.buffer.data(), host);
  std::vector<double> dense;
  for (std::int64_t b = 0; b < v.batch; ++b) {
    for (std::int64_t j = 0; j < v.columns; ++j) {
      for (std::int64_t i = 0; i < v.leading; ++i) {
        double& value = host[static_cast<std::size_t>(b * v.stride + j * v.leading + i)];
        if (i < v.rows) {
          dense.push_back(value);
          value = kNan;
        }
      }
    }
  }
  for (const double value : host) EXPECT_TRUE(std::isnan(value)) << "written between rows or members";
  return dense;
}

std::vector<double> BackendConformance::random(std::size_t count, double low, double high) {
  std::vector<double> values(count);
  for (double& value : values) value = low + (high - low) * random_.uniform();
  return values;
}

namespace naive {

double matern52(double r2) {
  const double a = std::sqrt(5 * r2);
  return (1 + a + a * a / 3) * std::exp(-a);
}

Matrix multiply(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, const Matrix& a,
                const Matrix& b) {
  Matrix c(static_cast<std::size_t>(m * n));
  for (std::int64_t j = 0; j < n; ++j) {
    for (std::int64_t i = 0; i < m; ++i) {
      double sum = 0;
      for (std::int64_t l = 0; l < k; ++l) {
        sum += a[static_cast<std::size_t>(ta ? i * k + l : l * m + i)] *
               b[static_cast<std::size_t>(tb ? l * n + j : j * k + l)];
      }
      c[static_cast<std::size_t>(j * m + i)] = sum;
    }
  }
  return c;
}

Matrix covariance(std::int64_t n, const Matrix& points, std::int64_t dims, double diagonal) {
  Matrix k(static_cast<std::size_t>(n * n));
  for (std::int64_t j = 0; j < n; ++j) {
    for (std::int64_t i = 0; i < n; ++i) {
      double r2 = 0;
      for (std::int64_t d = 0; d < dims; ++d) {
        const double difference =
            points[static_cast<std::size_t>(i * dims + d)] - points[static_cast<std::size_t>(j * dims + d)];
        r2 += difference * difference;
      }
      k[static_cast<std::size_t>(j * n + i)] = matern52(r2) + (i == j ? diagonal : 0);
    }
  }
  return k;
}

Matrix cholesky(std::int64_t n, const Matrix& a) {
  Matrix l(static_cast<std::size_t>(n * n));
  const auto at = [n](Matrix& m, std::int64_t i, std::int64_t j) -> double& {
    return m[static_cast<std::size_t>(j * n + i)];
  };
  for (std::int64_t j = 0; j < n; ++j) {
    for (std::int64_t i = j; i < n; ++i) {
      double sum = a[static_cast<std::size_t>(j * n + i)];
      for (std::int64_t k = 0; k < j; ++k) sum -= at(l, i, k) * at(l, j, k);
      at(l, i, j) = i == j ? std::sqrt(sum) : sum / at(l, j, j);
    }
  }
  return l;
}

Matrix lower_inverse(std::int64_t n, const Matrix& l) {
  Matrix x(static_cast<std::size_t>(n * n));
  for (std::int64_t j = 0; j < n; ++j) {
    for (std::int64_t i = j; i < n; ++i) {
      double sum = i == j ? 1 : 0;
      for (std::int64_t k = j; k < i; ++k) {
        sum -= l[static_cast<std::size_t>(k * n + i)] * x[static_cast<std::size_t>(j * n + k)];
      }
      x[static_cast<std::size_t>(j * n + i)] = sum / l[static_cast<std::size_t>(i * n + i)];
    }
  }
  return x;
}

}  // namespace naive

}  // namespace krigon

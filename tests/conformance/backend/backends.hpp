#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "backend/backend.hpp"
#include "core/random.hpp"

namespace krigon {

/// Every backend that can run here, by a name that BackendConformance knows.
std::vector<std::string> backend_instances();

/// One body per operation, an instance per backend: what any backend must do, held against plain
/// loops. Data crosses by upload and download only, so that the body holds for a device too.
class BackendConformance : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override;

  /// A batch of matrices on the device, with a leading dimension beyond the rows and a gap between
  /// members, both filled with NaN: who reads or writes there is found out.
  struct Device {
    Buffer buffer;
    View view;
    operator View() const { return view; }
    operator ConstView() const { return view; }
  };
  Device device(std::int64_t rows, std::int64_t columns, std::int64_t batch = 1);
  void put(const Device& to, const std::vector<double>& dense);
  /// The members one after another, column-major without gaps; checks that the gaps are still NaN.
  std::vector<double> get(const Device& from);

  std::vector<double> random(std::size_t count, double low = -1, double high = 1);

  std::unique_ptr<Backend> backend_;
  Random random_{11, 0, Purpose::candidates};
};

/// Plain loops on column-major matrices without gaps.
namespace naive {
using Matrix = std::vector<double>;
double matern52(double r2);
Matrix multiply(bool ta, bool tb, std::int64_t m, std::int64_t n, std::int64_t k, const Matrix& a,
                const Matrix& b);
/// Symmetric positive definite, n x n.
Matrix covariance(std::int64_t n, const Matrix& points, std::int64_t dims, double diagonal);
Matrix cholesky(std::int64_t n, const Matrix& a);
Matrix lower_inverse(std::int64_t n, const Matrix& l);
}  // namespace naive

}  // namespace krigon

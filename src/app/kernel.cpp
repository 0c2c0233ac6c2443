#include <algorithm>
#include <utility>

#include "krigon/gp.hpp"

namespace krigon {

Kernel Kernel::of(Part part, std::vector<std::size_t> columns) {
  Kernel kernel;
  kernel.terms_ = {{{part, std::move(columns)}}};
  return kernel;
}

Kernel Kernel::matern52(std::vector<std::size_t> columns) {
  return of(Part::matern52, std::move(columns));
}
Kernel Kernel::matern32(std::vector<std::size_t> columns) {
  return of(Part::matern32, std::move(columns));
}
Kernel Kernel::rbf(std::vector<std::size_t> columns) {
  return of(Part::rbf, std::move(columns));
}
Kernel Kernel::periodic(std::vector<std::size_t> columns) {
  return of(Part::periodic, std::move(columns));
}
Kernel Kernel::linear(std::vector<std::size_t> columns) {
  return of(Part::linear, std::move(columns));
}
Kernel Kernel::categorical(std::vector<std::size_t> columns) {
  if (columns.empty()) throw UsageError("Kernel::categorical: needs the columns that hold choices");
  return of(Part::categorical, std::move(columns));
}

Kernel Kernel::isotropic() const {
  Kernel kernel = *this;
  for (auto& term : kernel.terms_) {
    for (Factor& factor : term) factor.isotropic = true;
  }
  return kernel;
}

Kernel operator*(const Kernel& a, const Kernel& b) {
  // A sum times a sum: every term with every other.
  Kernel product;
  for (const auto& left : a.terms_) {
    for (const auto& right : b.terms_) {
      auto& term = product.terms_.emplace_back(left);
      term.insert(term.end(), right.begin(), right.end());
    }
  }
  return product;
}

Kernel operator+(const Kernel& a, const Kernel& b) {
  Kernel sum = a;
  sum.terms_.insert(sum.terms_.end(), b.terms_.begin(), b.terms_.end());
  return sum;
}

}  // namespace krigon

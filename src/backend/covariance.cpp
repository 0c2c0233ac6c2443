#include "backend/covariance.hpp"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "krigon/error.hpp"

namespace krigon {

namespace {

std::int32_t one_more_than_largest(const std::vector<CovarianceFactor>& factors,
                                   std::vector<std::int32_t> CovarianceFactor::*member) {
  std::int32_t count = 0;
  for (const CovarianceFactor& factor : factors) {
    for (const std::int32_t value : factor.*member) count = std::max(count, value + 1);
  }
  return count;
}

void check_numbers(std::vector<bool>& used, std::int32_t number, std::size_t factor, std::string_view what) {
  if (number < 0) {
    throw UsageError(fmt::format("covariance: {} {} of factor {} is negative", what, number, factor));
  }
  used[static_cast<std::size_t>(number)] = true;
}

void check_all_used(const std::vector<bool>& used, std::string_view what) {
  const auto unused = std::find(used.begin(), used.end(), false);
  if (unused == used.end()) return;
  throw UsageError(
      fmt::format("covariance: no factor uses {} {} of {}", what, unused - used.begin(), used.size()));
}

}  // namespace

CovarianceSpec CovarianceSpec::matern52(std::vector<std::int32_t> groups) {
  CovarianceFactor factor;
  for (std::size_t k = 0; k < groups.size(); ++k) factor.columns.push_back(static_cast<std::int32_t>(k));
  factor.groups = std::move(groups);
  return {{std::move(factor)}};
}

std::int32_t CovarianceSpec::columns() const {
  return one_more_than_largest(factors, &CovarianceFactor::columns);
}
std::int32_t CovarianceSpec::groups() const {
  return one_more_than_largest(factors, &CovarianceFactor::groups);
}
std::int32_t CovarianceSpec::periods() const {
  return one_more_than_largest(factors, &CovarianceFactor::periods);
}
std::int32_t CovarianceSpec::terms() const {
  std::int32_t count = 0;
  for (const CovarianceFactor& factor : factors) count = std::max(count, factor.term + 1);
  return count;
}
std::int32_t CovarianceSpec::features() const {
  std::size_t count = 0;
  for (const CovarianceFactor& factor : factors) {
    count += factor.columns.size() * (factor.kind == CovarianceKind::periodic ? 2 : 1);
  }
  return static_cast<std::int32_t>(count);
}

void CovarianceSpec::check() const {
  if (factors.empty()) throw UsageError("covariance: there is no factor");
  std::vector<bool> group_used(static_cast<std::size_t>(groups()));
  std::vector<bool> period_used(static_cast<std::size_t>(periods()));
  std::vector<bool> term_used(static_cast<std::size_t>(terms()));
  for (std::size_t f = 0; f < factors.size(); ++f) {
    const CovarianceFactor& factor = factors[f];
    const std::size_t columns = factor.columns.size();
    const std::size_t periods = factor.kind == CovarianceKind::periodic ? columns : 0;
    if (columns == 0) throw UsageError(fmt::format("covariance: factor {} has no column", f));
    if (factor.groups.size() != columns || factor.periods.size() != periods) {
      throw UsageError(fmt::format(
          "covariance: factor {} of {} columns needs as many groups and {} periods, got {} and {}", f,
          columns, periods, factor.groups.size(), factor.periods.size()));
    }
    for (const std::int32_t column : factor.columns) {
      if (column < 0)
        throw UsageError(fmt::format("covariance: column {} of factor {} is negative", column, f));
    }
    for (const std::int32_t group : factor.groups) check_numbers(group_used, group, f, "group");
    for (const std::int32_t period : factor.periods) check_numbers(period_used, period, f, "period");
    check_numbers(term_used, factor.term, f, "term");
  }
  check_all_used(group_used, "group");
  check_all_used(period_used, "period");
  check_all_used(term_used, "term");
}

}  // namespace krigon

#include "config/early_stopping_reader.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "config/scalar.hpp"
#include "config/suggest.hpp"
#include "krigon/value.hpp"

namespace krigon::detail {
namespace {

/// A type, and the options that mean something with it besides max_steps.
struct Type {
  std::string name;
  std::vector<std::string> options;
  std::string needs;  ///< an option without which it cannot work; may be empty
};

const std::vector<Type>& types() {
  static const std::vector<Type> all{
      {"asha", {"min_steps", "reduction", "brackets", "promote"}, "max_steps"},
      {"envelope", {"min_steps", "startup"}, "max_steps"},
      {"hyperband", {"min_steps", "reduction"}, "max_steps"},
      {"bohb", {"min_steps", "reduction"}, "max_steps"},
      {"median", {"min_steps", "startup"}, ""},
      {"percentile", {"min_steps", "startup", "percentile"}, ""},
      {"patience", {"min_steps", "patience", "delta"}, ""},
      {"threshold", {"min_steps", "bound"}, "bound"},
      {"wilcoxon", {"min_steps", "p_value"}, ""},
      {"curve", {"min_steps", "startup", "probability"}, "max_steps"},
      {"pbt", {"min_steps", "population", "interval", "quantile", "resample"}, "interval"},
      {"none", {}, ""},
  };
  return all;
}

const Field::WrongWords kWrongTypes{{"successive_halving", "write asha"},
                                    {"sha", "write asha"},
                                    {"SuccessiveHalvingPruner", "write asha"},
                                    {"ASHAScheduler", "write asha"},
                                    {"AsyncHyperBandScheduler", "write asha"},
                                    {"async_hyperband", "write asha"},
                                    {"HyperbandPruner", "write hyperband"},
                                    {"HyperBandScheduler", "write hyperband"},
                                    {"HyperBandForBOHB", "write bohb"},
                                    {"hb_bohb", "write bohb"},
                                    {"MedianPruner", "write median"},
                                    {"MedianStoppingRule", "write median"},
                                    {"median_stopping", "write median"},
                                    {"PercentilePruner", "write percentile"},
                                    {"PatientPruner", "write patience"},
                                    {"plateau", "write patience"},
                                    {"ThresholdPruner", "write threshold"},
                                    {"WilcoxonPruner", "write wilcoxon"},
                                    {"freeze_thaw", "write curve"},
                                    {"PopulationBasedTraining", "write pbt"},
                                    {"population", "write pbt"},
                                    {"PB2", "pbt comes closest"},
                                    {"pb2", "pbt comes closest"},
                                    {"NopPruner", "write none"},
                                    {"fifo", "write none"},
                                    {"FIFOScheduler", "write none"},
                                    {"false", "write none"},
                                    {"off", "write none"},
                                    {"no", "write none"}};

const Field::WrongWords kWrongKeys{{"max_epochs", "write 'max_steps'"},
                                   {"max_t", "write 'max_steps'"},
                                   {"max_resource", "write 'max_steps'"},
                                   {"min_resource", "write 'min_steps'"},
                                   {"grace_period", "write 'min_steps'"},
                                   {"n_warmup_steps", "write 'min_steps'"},
                                   {"eta", "write 'reduction'"},
                                   {"reduction_factor", "write 'reduction'"},
                                   {"n_startup_trials", "write 'startup'"},
                                   {"min_samples_required", "write 'startup'"},
                                   {"min_delta", "write 'delta'"},
                                   {"upper", "write 'bound'"},
                                   {"lower", "write 'bound'"},
                                   {"p_threshold", "write 'p_value'"},
                                   {"population_size", "write 'population'"},
                                   {"perturbation_interval", "write 'interval'"},
                                   {"quantile_fraction", "write 'quantile'"},
                                   {"resample_probability", "write 'resample'"},
                                   {"metric", "it goes under 'objective'"},
                                   {"mode", "write 'direction' under 'objective'"},
                                   {"time_attr", "leave it out: steps are what trials report"}};

std::vector<std::string> names_of_types() {
  std::vector<std::string> names;
  for (const auto& type : types()) names.push_back(type.name);
  return names;
}

std::string why_needed(std::string_view option) {
  if (option == "max_steps") return "the number of steps after which a trial is complete";
  if (option == "bound") return "the value of the objective that no trial may be worse than";
  return "the number of steps between two comparisons";
}

class Reader {
 public:
  Reader(const Field& field, std::int64_t parallel) : field_(field), section_(field), parallel_(parallel) {}

  EarlyStopping read() {
    const auto word = section_.require("type", listed(names_of_types())).word(names_of_types(), kWrongTypes);
    integer("max_steps", e_.max_steps, 1);
    integer("min_steps", e_.min_steps, 1);
    number("reduction", e_.reduction, {1.1, 1000}, "a number from 1.1 to 1000, such as 3");
    integer("startup", e_.startup, 1);
    integer("brackets", e_.brackets, 1, 30);
    if (const auto value = take("promote").boolean()) e_.promote = *value;
    number("percentile", e_.percentile, {0.1, 99.9}, "a number from 0.1 to 99.9, such as 25");
    integer("patience", e_.patience, 1);
    number("delta", e_.delta, {0, INFINITY}, "a number of at least 0, such as 0.001");
    e_.bound = take("bound").number();
    number("p_value", e_.p_value, {1e-12, 0.5}, "a number above 0 and up to 0.5, such as 0.1");
    number("probability", e_.probability, {1e-12, 0.5}, "a number above 0 and up to 0.5, such as 0.05");
    integer("population", e_.population, 2, 10'000);
    integer("interval", e_.interval, 1);
    number("quantile", e_.quantile, {1e-4, 0.5}, "a number above 0 and up to 0.5, such as 0.25");
    number("resample", e_.resample, {0, 1}, "a number from 0 to 1, such as 0.25");
    section_.finish(kWrongKeys);
    if (word) check(*word);
    return e_;
  }

 private:
  Field take(const std::string& key) {
    const Field taken = section_.take(key);
    if (taken) given_.push_back(taken);
    return taken;
  }
  void integer(const std::string& key, std::int64_t& to, std::int64_t least, std::int64_t most = INT64_MAX) {
    if (const auto value = take(key).integer(least, most)) to = *value;
  }
  void number(const std::string& key, double& to, std::pair<double, double> range, std::string_view what) {
    const Field taken = take(key);
    const auto value = taken.number();
    if (!value) return;
    if (*value >= range.first && *value <= range.second) {
      to = *value;
    } else {
      taken.error(fmt::format("found {}, expected {}", to_string(*value), what));
    }
  }
  const Field* given(std::string_view key) const {
    const auto found =
        std::find_if(given_.begin(), given_.end(), [&](const Field& f) { return f.key() == key; });
    return found == given_.end() ? nullptr : &*found;
  }

  void check(const std::string& word) {
    e_.type = word;
    const auto type =
        std::find_if(types().begin(), types().end(), [&](const Type& t) { return t.name == word; });
    const Field* min_steps = given("min_steps");
    if (min_steps != nullptr && given("max_steps") != nullptr && e_.min_steps > e_.max_steps) {
      min_steps->error(
          fmt::format("min_steps ({}) must not be above max_steps ({})", e_.min_steps, e_.max_steps));
    }
    if (!type->needs.empty() && given(type->needs) == nullptr) {
      field_.error(fmt::format("{} needs '{}', {}", word, type->needs, why_needed(type->needs)));
    }
    for (const auto& option : given_) {
      const bool used = option.key() == "max_steps" || std::find(type->options.begin(), type->options.end(),
                                                                 option.key()) != type->options.end();
      if (!used) option.warning(fmt::format("has no effect with type {}", word));
    }
    if (word == "pbt" && e_.population > parallel_) {
      field_.warning(fmt::format(
          "the population ({}) is larger than budget.parallel ({}): only trials that run at the same "
          "time can be cloned, so little will come of it",
          e_.population, parallel_));
    }
  }

  Field field_;
  Section section_;
  std::int64_t parallel_;
  std::vector<Field> given_;
  EarlyStopping e_;
};

}  // namespace

EarlyStopping read_early_stopping(const Field& field, std::int64_t parallel) {
  if (!field) return {};
  if (!field.is(Node::Kind::scalar)) return Reader(field, parallel).read();
  EarlyStopping e;  // early_stopping: none
  if (const auto word = field.word(names_of_types(), kWrongTypes)) {
    e.type = *word;
    const auto type =
        std::find_if(types().begin(), types().end(), [&](const Type& t) { return t.name == e.type; });
    if (!type->needs.empty()) {
      const char* example = type->needs == "max_steps" ? "27" : type->needs == "bound" ? "0.9" : "5";
      field.error(fmt::format("{} needs {}: write {{type: {}, {}: {}}}", e.type, type->needs, e.type,
                              type->needs, example));
    }
  }
  return e;
}

}  // namespace krigon::detail

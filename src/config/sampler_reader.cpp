#include "config/sampler_reader.hpp"

#include <limits>

#include <fmt/format.h>

#include "config/suggest.hpp"

namespace krigon::detail {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
/// That a model can be limited to: fewer are too few to be worth it, and more were never tried.
constexpr std::int64_t kLeastObservations = 100, kMostObservations = 100'000;

}  // namespace

SamplerSpec read_sampler(const Field& field, const Space* space) {
  const std::vector<std::string> types{"auto", "gp", "random", "sobol", "grid"};
  const Field::WrongWords wrong{{"bayesian", "write gp"},
                                {"bayes", "write gp"},
                                {"tpe", "gp comes closest"},
                                {"quasirandom", "write sobol"}};
  SamplerSpec sampler;
  Field type = field;
  if (field && !field.is(Node::Kind::scalar)) {
    Section section(field);
    type = section.take("type");
    const Field initial = section.take("initial");
    sampler.initial = initial.integer(0, kMost);
    const Field observations = section.take("observations");
    sampler.observations = observations.integer(kLeastObservations, kMostObservations);
    section.finish({{"n_startup_trials", "write 'initial'"}, {"seed", "it goes to the top of the file"}});
    if (const auto word = type.word(types, wrong)) sampler.type = *word;
    if (sampler.type == "random" || sampler.type == "sobol" || sampler.type == "grid") {
      for (const Field& unused : {initial, observations}) {
        if (unused) unused.warning(fmt::format("has no effect with sampler {}", sampler.type));
      }
    }
  } else if (const auto word = field.word(types, wrong)) {
    sampler.type = *word;
  }
  if (sampler.type == "grid" && space != nullptr && !space->size()) {
    std::vector<std::string> names;
    for (const auto& p : space->parameters()) {
      const auto* real = std::get_if<RealDomain>(&p.domain);
      if (real != nullptr && !real->step) names.push_back(p.name);
    }
    type.error(fmt::format(
        "grid tries every value, and these are real numbers without a step: {}; give them a step or values",
        listed(names)));
  }
  return sampler;
}

}  // namespace krigon::detail

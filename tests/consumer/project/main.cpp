// A project of somebody else's: everything that the public headers declare has to be there and to link.
#include <cmath>
#include <cstdio>
#include <stdexcept>

#include <krigon/krigon.hpp>

namespace {

void require(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(what);
}

}  // namespace

int main(int, char** argv) {
  const krigon::Space space(
      {{"x", krigon::RealDomain{-5, 5}},
       {"kind", krigon::CategoricalDomain{{std::string("sharp"), std::string("flat")}}},
       {"scale", krigon::RealDomain{0.1, 10, krigon::Scale::log}, {{"kind", {std::string("flat")}}}}});
  const krigon::StudyOptions options{
      .name = "outside", .storage = std::string("sqlite:///") + argv[1], .seed = 3};
  const auto objective = [](krigon::Trial& trial) {
    const double distance = std::abs(trial.real("x") - 1.5);
    return trial.text("kind") == "sharp" ? distance : 1 + distance * trial.real("scale");
  };
  {
    krigon::Study study(space, options);
    require(study.optimize(objective, {.trials = 12, .parallel = 2}) == 12, "12 trials should have ended");
    krigon::Trial trial = study.ask("mine");
    require(study.ask("mine").number() == trial.number(), "the same key gives the same trial");
    trial.report(1, 9.0);
    study.tell(trial.number(), 9.0);
    try {
      study.tell(trial.number(), 8.0);
      require(false, "a second, different tell must be refused");
    } catch (const krigon::ConflictError&) {
      // An exception of the library's is caught by its type here, across the boundary.
    }
  }
  const krigon::Study again(space, options);
  require(again.trials().size() == 13, "13 trials should have been kept");
  require(again.best().has_value(), "there should be a best trial");
  std::printf("krigon %s: best %s of %zu trials\n", krigon::version(),
              krigon::to_string(again.best()->metrics.at("value")).c_str(), again.trials().size());
}

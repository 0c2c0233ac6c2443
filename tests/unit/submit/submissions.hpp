#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "submit/submission.hpp"

namespace krigon::testing {

/// Two workers of the study "line".
inline Submission line_submission() {
  Submission submission;
  submission.study = "line";
  submission.job = "krigon-line";
  submission.storage = "postgresql://krigon@db/tuning";
  submission.program = "/opt/krigon";
  submission.workers = 2;
  submission.study_folder = "/home/me/line";
  submission.trials_folder = "/home/me/line/krigon-trials/line";
  submission.grace = Milliseconds(5000);
  return submission;
}

inline std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_program(const std::filesystem::path& file, const std::string& text) {
  std::ofstream(file) << text;
  std::filesystem::permissions(file, std::filesystem::perms::owner_all);
}

/// The message of what `call` throws as an E; empty where it does not.
template <class E, class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const E& e) {
    return e.what();
  }
  return {};
}

}  // namespace krigon::testing

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "core/storage.hpp"
#include "krigon/error.hpp"
#include "storage/sql_records.hpp"

namespace krigon::detail {

/// `table`: where a study stands with its head.
#define KRIGON_STUDY_SELECT(table)                                              \
  "SELECT study.id, study.name, study.revision, study.created, revision.spec, " \
  "revision.fingerprint, " KRIGON_HEAD_COLUMNS " FROM " table                   \
  " JOIN revision ON revision.study = study.id AND revision.number = study.revision "

inline StudySpec parse_spec(std::string_view text) {
  try {
    return spec_from_json(parse_text(text, "study"));
  } catch (const SpaceError& e) {
    throw StorageError(fmt::format("the stored search space cannot be read: {}", e.what()));
  }
}

template <class Query>
StudyRecord read_study(const Query& query) {
  StudyRecord study;
  study.id = query.integer(0);
  study.name = query.text(1);
  study.revision = query.integer(2);
  study.created = query.integer(3);
  study.spec = parse_spec(query.text(4));
  if (!query.null(5)) study.fingerprint = parse_text(query.text(5), "fingerprint");
  study.head = read_head(query, 6);
  return study;
}

inline std::optional<std::string> fingerprint_text(const nlohmann::json& fingerprint) {
  return fingerprint.is_null() ? std::nullopt : std::optional(lenient_text(fingerprint));
}

}  // namespace krigon::detail

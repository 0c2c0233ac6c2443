#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace krigon {

/// The name of a study's workers as jobs, files and Kubernetes objects have it: "krigon-" and the study's
/// name in the letters of a label of RFC 1123 (a-z, 0-9 and '-', at most 63 in all). A name that loses
/// something on the way gets eight hexadecimal digits of its hash, so that "a b" and "a-b" stay two jobs.
/// `workers` makes room: the host name of an indexed job's pod is the job's name with "-INDEX" behind it, and
/// may have no more letters either.
std::string job_name(std::string_view study, std::int64_t workers);

/// Checks a name that a person gave. Throws UsageError that begins with `option` and says what is allowed.
/// A label: as above, of at most `most` letters. A subdomain: labels with dots between, at most 253 letters.
void check_label(std::string_view name, std::string_view option, std::size_t most = 63);
void check_subdomain(std::string_view name, std::string_view option);

/// How many letters the name of a job of so many workers may have.
std::size_t most_letters(std::int64_t workers);

}  // namespace krigon

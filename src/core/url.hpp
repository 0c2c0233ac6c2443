#pragma once

#include <string>
#include <string_view>

namespace krigon {

/// A store's URL as people may see it: postgresql://user:secret@host/name without the secret, others as they
/// are.
std::string without_password(std::string_view url);

}  // namespace krigon

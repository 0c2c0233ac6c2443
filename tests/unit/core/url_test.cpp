#include "core/url.hpp"

#include <gtest/gtest.h>

namespace krigon {
namespace {

TEST(Url, IsShownWithoutItsSecrets) {
  EXPECT_EQ(without_password("postgresql://host/db"), "postgresql://host/db");
  EXPECT_EQ(without_password("postgresql://me@host:5432/db"), "postgresql://me@host:5432/db");
  EXPECT_EQ(without_password("postgresql://me:s3cret@host:5432/db"), "postgresql://me@host:5432/db");
  EXPECT_EQ(without_password("postgresql://me:a@b:c@host/db"), "postgresql://me@host/db");
  EXPECT_EQ(without_password("postgres://me:x@host"), "postgres://me@host");
  EXPECT_EQ(without_password("postgresql:///db?user=me&password=s3cret&host=/tmp"),
            "postgresql:///db?user=me&password=...&host=/tmp");
  EXPECT_EQ(without_password("postgresql:///db?host=/a@b:c"), "postgresql:///db?host=/a@b:c");
}

}  // namespace
}  // namespace krigon

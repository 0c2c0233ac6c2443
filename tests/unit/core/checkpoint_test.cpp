#include "core/checkpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace krigon {
namespace {

using ::testing::HasSubstr;

StudySpec spec_with(const std::string& type, bool promote = false) {
  StudySpec spec;
  spec.trial.command = {"train"};
  spec.early_stopping.type = type;
  spec.early_stopping.promote = promote;
  return spec;
}

TEST(Checkpoint, RulesThatLetTrialsGoOnUseIt) {
  EXPECT_EQ(checkpoint_use(spec_with("pbt").early_stopping), CheckpointUse::clones);
  for (const char* type : {"hyperband", "bohb"}) {
    EXPECT_EQ(checkpoint_use(spec_with(type).early_stopping), CheckpointUse::resumes) << type;
  }
  EXPECT_EQ(checkpoint_use(spec_with("asha", true).early_stopping), CheckpointUse::resumes);
  for (const char* type :
       {"asha", "median", "percentile", "patience", "threshold", "wilcoxon", "curve", "none"}) {
    EXPECT_EQ(checkpoint_use(spec_with(type).early_stopping), CheckpointUse::none) << type;
  }
  EXPECT_EQ(checkpoint_use(spec_with("median", true).early_stopping), CheckpointUse::none);
}

TEST(Checkpoint, WhatLacksNamesTheKey) {
  for (StudySpec spec : {spec_with("hyperband"), spec_with("asha", true), spec_with("pbt")}) {
    EXPECT_THAT(missing_checkpoint(spec), HasSubstr("'checkpoint: true' under 'trial'"));
    EXPECT_THAT(missing_checkpoint(spec), HasSubstr(spec.early_stopping.type));
    spec.trial.checkpoint = true;
    EXPECT_EQ(missing_checkpoint(spec), "");
    spec.trial.checkpoint = false;
    spec.trial.command.clear();
    EXPECT_EQ(missing_checkpoint(spec), "") << "who asks and tells has checkpoints of its own";
  }
  EXPECT_EQ(missing_checkpoint(spec_with("asha")), "");
}

}  // namespace
}  // namespace krigon

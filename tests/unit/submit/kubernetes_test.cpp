// What the manifest says; that Kubernetes takes it is tests/e2e/cluster's matter.

#include "submit/kubernetes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "krigon/error.hpp"
#include "submissions.hpp"

namespace krigon {
namespace {

using krigon::testing::line_submission;
using krigon::testing::message_of;
using ::testing::HasSubstr;
using ::testing::Not;

KubernetesOptions plain() {
  KubernetesOptions options;
  options.image = "registry.example/line:1";
  options.secret = "krigon-line-storage";
  return options;
}

TEST(KubernetesJob, HasOneWorkerAPod) {
  const std::string job = kubernetes_job(line_submission(), plain());
  for (const char* line :
       {"\n  name: \"krigon-line\"\n", "\n  completionMode: Indexed\n  completions: 2\n  parallelism: 2\n",
        "\n      restartPolicy: Never\n", "\n      terminationGracePeriodSeconds: 35\n",
        "\n          image: \"registry.example/line:1\"\n",
        "\n          command: [\"/opt/krigon\", \"worker\", \"--study\", \"line\", \"--parallel\", \"1\", "
        "\"--trials-folder\", \"/krigon/trials/krigon-line\"]\n",
        "secretKeyRef: {name: \"krigon-line-storage\", key: storage}", "requests: {cpu: 1}\n",
        "emptyDir: {}"}) {
    EXPECT_THAT(job, HasSubstr(line));
  }
  for (const char* left_out :
       {"namespace:", "limits:", "activeDeadlineSeconds", "persistentVolumeClaim", "nvidia"}) {
    EXPECT_THAT(job, Not(HasSubstr(left_out)));
  }
}

TEST(KubernetesJob, SaysEveryOption) {
  Submission submission = line_submission();
  submission.resources = {4, 2, std::uint64_t{3} << 29};
  submission.time = Milliseconds(7'200'001);
  KubernetesOptions options = plain();
  options.name_space = "123";
  options.volume_claim = "check-points";
  const std::string job = kubernetes_job(submission, options);
  for (const char* line : {"\n  namespace: \"123\"\n", "\n  activeDeadlineSeconds: 7201 ",
                           "requests: {cpu: 4, memory: 1536Mi, nvidia.com/gpu: 2}\n",
                           "limits: {memory: 1536Mi, nvidia.com/gpu: 2}\n",
                           "persistentVolumeClaim: {claimName: \"check-points\"}\n"}) {
    EXPECT_THAT(job, HasSubstr(line));
  }
  submission.resources.memory = std::uint64_t{2} << 30;
  EXPECT_THAT(kubernetes_job(submission, options), HasSubstr("memory: 2Gi"));
  submission.resources.memory = 1'000'000'000;
  EXPECT_THAT(kubernetes_job(submission, options), HasSubstr("memory: 1000000000"));
}

TEST(KubernetesJob, NeverHoldsTheStoresUrl) {
  Submission submission = line_submission();
  submission.storage = "postgresql://me:s3cret@db.example/tuning";
  const std::string job = kubernetes_job(submission, plain());
  EXPECT_THAT(job, Not(HasSubstr("s3cret")));
  EXPECT_THAT(job, Not(HasSubstr("db.example")));
  EXPECT_THAT(job, Not(HasSubstr("\"--storage\"")));
}

TEST(KubernetesJob, TakesAnyStudysName) {
  Submission submission = line_submission();
  submission.study = "it's \"a\": {b}\n$(HOME) # c";
  const std::string job = kubernetes_job(submission, plain());
  EXPECT_THAT(job, HasSubstr(R"(krigon/study: "it's \"a\": {b}\n$(HOME) # c"})"));
  // Kubernetes would put the variable in; $$ is its way to write a dollar.
  EXPECT_THAT(job, HasSubstr(R"("--study", "it's \"a\": {b}\n$$(HOME) # c")"));
  submission.study = "\xff";
  EXPECT_THAT(message_of<UsageError>([&] { kubernetes_job(submission, plain()); }), HasSubstr("UTF-8"));
}

TEST(KubernetesJob, RefusesWhatKubernetesWould) {
  const auto refused = [](auto change) {
    Submission submission = line_submission();
    KubernetesOptions options = plain();
    change(submission, options);
    return message_of<UsageError>([&] { kubernetes_job(submission, options); });
  };
  EXPECT_THAT(refused([](Submission&, KubernetesOptions& o) { o.image = ""; }),
              HasSubstr("--image is missing"));
  EXPECT_THAT(refused([](Submission&, KubernetesOptions& o) { o.image = "a b"; }),
              HasSubstr("--image: found \"a b\""));
  EXPECT_THAT(refused([](Submission& s, KubernetesOptions&) { s.job = "Line"; }),
              HasSubstr("--name: found \"Line\""));
  EXPECT_THAT(refused([](Submission& s, KubernetesOptions&) { s.job = std::string(62, 'a'); }),
              HasSubstr("1 to 61"));
  EXPECT_THAT(refused([](Submission&, KubernetesOptions& o) { o.secret = "a_b"; }), HasSubstr("--secret"));
  EXPECT_THAT(refused([](Submission&, KubernetesOptions& o) { o.name_space = "a.b"; }),
              HasSubstr("--namespace"));
  EXPECT_THAT(refused([](Submission&, KubernetesOptions& o) { o.volume_claim = "/data"; }),
              HasSubstr("--volume-claim"));
}

TEST(SecretCommand, KeepsTheUrlOffTheCommandLine) {
  KubernetesOptions options = plain();
  EXPECT_EQ(secret_command(options),
            "printf %s \"$KRIGON_STORAGE\" | kubectl create secret generic krigon-line-storage "
            "--from-file=storage=/dev/stdin");
  options.name_space = "tuning";
  EXPECT_THAT(secret_command(options), HasSubstr(" krigon-line-storage --namespace tuning --from-file"));
}

}  // namespace
}  // namespace krigon

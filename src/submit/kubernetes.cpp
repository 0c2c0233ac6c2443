#include "submit/kubernetes.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/shell.hpp"
#include "krigon/error.hpp"
#include "submit/names.hpp"

namespace krigon {
namespace {

constexpr const char* kTrialsVolume = "/krigon/trials";
constexpr const char* kHeartbeatFolder = "/run/krigon";

/// A string of JSON is one of YAML, and no letter in it can be taken for YAML's own marks.
std::string yaml_string(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    throw UsageError("Kubernetes takes UTF-8 only, in the study's name, the image and the program");
  }
}

/// A word of a container's command, where Kubernetes puts variables in for $(NAME).
std::string command_word(const std::string& word) {
  std::string out;
  for (const char c : word) out += c == '$' ? std::string("$$") : std::string(1, c);
  return yaml_string(out);
}

std::string command_list(const std::vector<std::string>& words) {
  std::string list;
  for (const auto& word : words) list += (list.empty() ? "" : ", ") + command_word(word);
  return "[" + list + "]";
}

/// "2Gi", "1536Mi", or bytes where neither fits.
std::string quantity(std::uint64_t bytes) {
  if (bytes % (1u << 30) == 0) return fmt::format("{}Gi", bytes >> 30);
  if (bytes % (1u << 20) == 0) return fmt::format("{}Mi", bytes >> 20);
  return std::to_string(bytes);
}

std::string resources_of(const WorkerResources& resources) {
  std::string requests = fmt::format("cpu: {}", resources.cpus);
  std::string limits;
  const auto both = [&](const std::string& entry) {
    requests += ", " + entry;
    limits += (limits.empty() ? "" : ", ") + entry;
  };
  if (resources.memory) both("memory: " + quantity(*resources.memory));
  if (resources.gpus > 0) both(fmt::format("nvidia.com/gpu: {}", resources.gpus));
  std::string text = fmt::format(
      "          # No limit of CPUs: it slows a trial down even on an idle node.\n"
      "          resources:\n"
      "            requests: {{{}}}\n",
      requests);
  if (!limits.empty()) text += fmt::format("            limits: {{{}}}\n", limits);
  return text;
}

std::string volumes_of(const KubernetesOptions& options) {
  const std::string trials =
      options.volume_claim.empty()
          ? "          emptyDir: {}  # gone with the pod, checkpoints too; --volume-claim keeps them\n"
          : fmt::format("          persistentVolumeClaim: {{claimName: {}}}\n",
                        yaml_string(options.volume_claim));
  return fmt::format(
      "      volumes:\n"
      "        - name: trials\n"
      "{}"
      "        - name: heartbeat\n"
      "          emptyDir: {{medium: Memory, sizeLimit: 1Mi}}\n",
      trials);
}

void check(const Submission& submission, const KubernetesOptions& options) {
  if (options.image.empty()) {
    throw UsageError(
        "--image is missing: the container image that the workers run, with krigon and the study's program "
        "in it");
  }
  if (options.image.find_first_of(" \t\r\n") != std::string::npos) {
    throw UsageError(
        fmt::format("--image: found \"{}\", expected e.g. registry.example/line:1", options.image));
  }
  check_label(submission.job, "--name", most_letters(submission.workers));
  check_subdomain(options.secret, "--secret");
  if (!options.name_space.empty()) check_label(options.name_space, "--namespace");
  if (!options.volume_claim.empty()) check_subdomain(options.volume_claim, "--volume-claim");
}

}  // namespace

std::string kubernetes_job(const Submission& submission, const KubernetesOptions& options) {
  check(submission, options);
  Submission in_pod = submission;
  in_pod.trials_folder = fmt::format("{}/{}", kTrialsVolume, submission.job);
  std::string text = fmt::format(
      R"(# Workers of a study, written by `krigon submit`. Each pod is one worker; it takes trials from the study's store
# until the study's budget is used up.
apiVersion: batch/v1
kind: Job
metadata:
  name: {job}
{name_space}  labels: {{app.kubernetes.io/name: krigon, app.kubernetes.io/component: worker, app.kubernetes.io/instance: {job}}}
  annotations: {{krigon/study: {study}}}
spec:
  completionMode: Indexed
  completions: {workers}
  parallelism: {workers}
)",
      fmt::arg("job", yaml_string(submission.job)), fmt::arg("study", yaml_string(submission.study)),
      fmt::arg("workers", submission.workers),
      fmt::arg("name_space", options.name_space.empty()
                                 ? ""
                                 : fmt::format("  namespace: {}\n", yaml_string(options.name_space))));
  if (submission.time) {
    text += fmt::format("  activeDeadlineSeconds: {}  # of the whole job\n",
                        (submission.time->count() + 999) / 1000);
  }
  text += fmt::format(
      R"(  # A worker that fails by itself again and again gives up its own place, not the others'.
  backoffLimitPerIndex: 3
  podFailurePolicy:
    rules:
      # Drained, evicted, preempted: the node's matter, not the worker's. It is replaced and nothing is counted. (A
      # worker told to leave ends with 130 for that: a place whose pod ends with 0 is done for good.)
      - action: Ignore
        onPodConditions: [{{type: DisruptionTarget, status: "True"}}]
      # Wrong arguments, or no such study: no repetition mends that.
      - action: FailJob
        onExitCodes: {{containerName: worker, operator: In, values: [2, 3]}}
  template:
    metadata:
      labels: {{app.kubernetes.io/name: krigon, app.kubernetes.io/component: worker, app.kubernetes.io/instance: {job}}}
    spec:
      # A new pod instead of a new start within the old one: what failed may lie in the node, and the rules above are
      # for whole pods.
      restartPolicy: Never
      # The trials' grace, and time to hand them back.
      terminationGracePeriodSeconds: {leaving}
      automountServiceAccountToken: false
      enableServiceLinks: false
      containers:
        - name: worker
          image: {image}
          command: {command}
          env:
            - name: KRIGON_STORAGE
              valueFrom: {{secretKeyRef: {{name: {secret}, key: storage}}}}
            - name: KRIGON_HEARTBEAT_FILE
              value: {folder}/heartbeat
{resources}          # A worker touches the file whenever its leases are renewed; one that hangs is replaced.
          livenessProbe:
            exec: {{command: [sh, -c, "find {folder}/heartbeat -mmin -5 | grep -q ."]}}
            initialDelaySeconds: 120
            periodSeconds: 60
            timeoutSeconds: 30
            failureThreshold: 2
          volumeMounts:
            - {{name: trials, mountPath: {trials}}}
            - {{name: heartbeat, mountPath: {folder}}}
)",
      fmt::arg("job", yaml_string(submission.job)), fmt::arg("leaving", leaving_seconds(submission.grace)),
      fmt::arg("image", yaml_string(options.image)), fmt::arg("command", command_list(worker_words(in_pod))),
      fmt::arg("secret", yaml_string(options.secret)), fmt::arg("folder", kHeartbeatFolder),
      fmt::arg("resources", resources_of(submission.resources)), fmt::arg("trials", kTrialsVolume));
  return text + volumes_of(options);
}

std::string secret_command(const KubernetesOptions& options) {
  const std::string where =
      options.name_space.empty() ? "" : " --namespace " + shell_quote(options.name_space);
  return fmt::format(
      "printf %s \"$KRIGON_STORAGE\" | kubectl create secret generic {}{} --from-file=storage=/dev/stdin",
      shell_quote(options.secret), where);
}

}  // namespace krigon

#pragma once

#include <string>

#include "submit/submission.hpp"

namespace krigon {

struct KubernetesOptions {
  std::string
      image;  ///< must hold `krigon` and the trials' program, its working directory the study's folder
  std::string name_space;  ///< empty: the one that kubectl is set to
  std::string secret;      ///< holds the store's URL under the key "storage"
  std::string
      volume_claim;  ///< a volume for the trials' folders that all pods may write; empty: none is kept
};

/// The manifest of an indexed Job with one worker a pod, in YAML with its reasons as comments; for
/// Kubernetes 1.29 or newer. It never holds the store's URL: pods read that from the secret. Throws
/// UsageError where there is no image, or a name is none that Kubernetes takes.
std::string kubernetes_job(const Submission& submission, const KubernetesOptions& options);

/// The shell line that makes the secret of the variable KRIGON_STORAGE, so that the URL is on no command
/// line.
std::string secret_command(const KubernetesOptions& options);

}  // namespace krigon

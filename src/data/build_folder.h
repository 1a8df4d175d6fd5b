// A folder that is built beside its target and takes the target's place when it is complete.
#pragma once

#include <filesystem>

namespace cadre::data {

// TARGET.building<process> until finish(); removed if finish() was not reached. Where the file
// system can exchange two folders, the target exists at every moment. A process that was killed
// leaves its folder behind, which the next one to build the same target clears away.
class BuildFolder {
 public:
  // Throws Error(invalid_input) if the folder cannot be made.
  explicit BuildFolder(const std::filesystem::path& target);
  ~BuildFolder();
  BuildFolder(const BuildFolder&) = delete;
  BuildFolder& operator=(const BuildFolder&) = delete;

  // Removes what killed processes left beside the target; where one of them was killed with the old
  // target moved away, puts it back. What a living process builds stays. Call it before asking
  // whether the target exists.
  static void clear_leftovers(const std::filesystem::path& target);

  const std::filesystem::path& path() const { return path_; }
  // Puts the folder in the place of the target. Throws Error(invalid_input) if that fails; the
  // target is then as it was.
  void finish();

 private:
  void replace_target();

  std::filesystem::path target_;
  std::filesystem::path path_;
  int lock_ = -1;  // held on the folder while its process lives
  bool complete_ = false;
};

}  // namespace cadre::data

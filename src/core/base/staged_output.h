// A file or folder that appears under its name whole, or not at all.
#pragma once

#include <filesystem>

namespace cadre {

// Write into temporary(), beside the place, then commit(): one rename puts it there. What was there
// before stays until then and is kept if anything fails: at each moment one of both is at the
// place, but for folders on file systems without RENAME_EXCHANGE (NFS), where between two renames
// the old one is beside it. Without commit() the temporary is removed.
class StagedOutput {
 public:
  // Removes what an interrupted process of the same number left. Throws Error(invalid_input) if
  // something is there already and `replace` is false, Error(not_found) if its folder is not there.
  StagedOutput(std::filesystem::path place, bool replace);
  ~StagedOutput();
  StagedOutput(const StagedOutput&) = delete;
  StagedOutput& operator=(const StagedOutput&) = delete;

  const std::filesystem::path& place() const { return place_; }
  const std::filesystem::path& temporary() const { return temporary_; }
  // Throws Error(invalid_input) if the rename fails.
  void commit();

 private:
  // Two renames, for want of one.
  void step_aside(const std::filesystem::path& old);

  std::filesystem::path place_;
  std::filesystem::path temporary_;
  bool replace_;
  bool committed_ = false;
};

}  // namespace cadre

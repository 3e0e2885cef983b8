// emend patch revert --model M [--undo FILE]
#include <iostream>

#include "cli/command.h"
#include "cli/console.h"
#include "emend/write_back.h"
#include "pipeline/failure.h"

namespace emend {
namespace {

namespace fs = std::filesystem;
namespace po = boost::program_options;

}  // namespace

int patch_revert_command(const std::vector<std::string>& arguments) {
  CommonOptions common;
  std::string undo;
  Syntax syntax;
  syntax.command = "patch revert";
  syntax.synopsis = "--model M [--undo FILE]";
  syntax.unused = {"bos", "seed", "token-budget", "device", "dtype", "threads"};
  syntax.help =
      "Takes back the last `patch apply --in-place`: the files are as they were, byte for byte, checked by "
      "their SHA-256.";
  syntax.own.add_options()("undo", po::value(&undo)->value_name("FILE"),
                           "the undo file (default: the last one of the model)");
  if (parse_options(syntax, arguments, common) == Parsed::kAnswered) return kExitDone;
  require_given(!common.model.empty(), "patch revert", "--model PATH");
  Console console(common);
  const fs::path undo_path = undo.empty() ? last_undo_file(common.model) : fs::path(undo);
  console.keep_json_apart({{undo_path}, common.model, {}});
  const std::vector<fs::path> restored = revert(common.model, undo_path);
  ResultJson files = ResultJson::array();
  for (const fs::path& file : restored) {
    std::cout << "Restored: " << file.string() << "\n";
    files.push_back(file.string());
  }
  if (restored.empty()) std::cout << "All files were as before already.\n";
  console.write_json({{"emend", emend_version()},
                      {"model", common.model},
                      {"undo", undo_path.string()},
                      {"restored", files},
                      {"passed", true}});
  return kExitDone;
}

}  // namespace emend

// emend patch diff A B
#include <iostream>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/console.h"
#include "emend/patch_algebra.h"
#include "pipeline/failure.h"
#include "report/display_text.h"
#include "report/numbers.h"
#include "report/table.h"

namespace emend {
namespace {

namespace po = boost::program_options;

std::string facts_table(const PatchDifference& difference, std::size_t columns) {
  Table table({{"id"}, {"differs", Align::kLeft, 20}});
  for (const FactDifference& fact : difference.facts) table.add_row({fact.id, join(fact.what, "; ")});
  return table.text(columns);
}

std::string layers_table(const PatchDifference& difference, std::size_t columns) {
  Table table({{"layer", Align::kRight},
               {"norm of the first", Align::kRight},
               {"of the second", Align::kRight},
               {"of the difference", Align::kRight},
               {"cosine", Align::kRight}});
  for (const LayerDifference& layer : difference.layers)
    table.add_row({std::to_string(layer.layer), number_text(layer.first), number_text(layer.second),
                   number_text(layer.difference), number_text(layer.cosine, 4)});
  return table.text(columns);
}

ResultJson difference_json(const PatchDifference& difference) {
  ResultJson facts = ResultJson::array(), layers = ResultJson::array();
  for (const FactDifference& fact : difference.facts)
    facts.push_back({{"id", fact.id}, {"differs", fact.what}});
  for (const LayerDifference& layer : difference.layers)
    layers.push_back({{"layer", layer.layer},
                      {"first", layer.first},
                      {"second", layer.second},
                      {"difference", layer.difference},
                      {"cosine", layer.cosine}});
  return {{"emend", emend_version()},
          {"settings", difference.settings},
          {"edits", facts},
          {"layers", layers},
          {"same", difference.same}};
}

}  // namespace

int patch_diff_command(const std::vector<std::string>& arguments) {
  CommonOptions common;
  std::vector<std::string> files;
  Syntax syntax;
  syntax.command = "patch diff";
  syntax.synopsis = "A B";
  syntax.help = "Says how two patches differ: settings, edits, and the changes of each layer.";
  syntax.unused = {"bos", "seed", "token-budget", "device", "dtype", "threads", "model"};
  syntax.positional = "file";
  syntax.positionals = 2;
  syntax.own.add_options()("file", po::value(&files));
  if (parse_options(syntax, arguments, common) == Parsed::kAnswered) return kExitDone;
  require_given(files.size() == 2, "patch diff", "the second patch");
  Console console(common);
  console.keep_json_apart({{files.begin(), files.end()}, {}, {}});
  const PatchDifference difference = diff_patches(load_patch(files[0]), load_patch(files[1]));
  if (difference.same) std::cout << "The patches make the same edits and changes.\n";
  for (const std::string& setting : difference.settings) std::cout << one_line(setting) << "\n";
  if (!difference.settings.empty()) std::cout << "\n";
  if (!difference.facts.empty()) std::cout << facts_table(difference, console.columns()) << "\n";
  std::cout << layers_table(difference, console.columns()) << "Layers count from 0.\n";
  console.write_json(difference_json(difference));
  return kExitDone;
}

}  // namespace emend

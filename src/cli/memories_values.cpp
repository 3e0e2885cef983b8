// emend memories values, effects and footprint: what values write, what cells do, what an edit makes of them.
#include "cli/command.h"
#include "cli/command_frame.h"
#include "console/option_values.h"
#include "emend/error.h"
#include "emend/memory_effects.h"
#include "emend/memory_footprint.h"
#include "emend/memory_index.h"
#include "emend/memory_values.h"
#include "emend/patch_run.h"
#include "memories/index_files.h"
#include "reports/effects_report.h"
#include "reports/footprint_report.h"
#include "reports/values_report.h"

namespace emend {
namespace {

LensOptions lens_named(const std::string& text, bool mask_special) {
  LensOptions lens = parse_lens(text);
  lens.mask_special = mask_special;
  return lens;
}

}  // namespace

int memories_values_command(const std::vector<std::string>& arguments) {
  ValueOptions how;
  std::string layers, lens = "lin";
  bool mask_special = false;
  CommandFrame frame("memories values",
                     "--model M [--layers LIST] [--index INDEX] [--lens LENS] [--out DIR] [OPTIONS]",
                     "Tells what the value of every feed-forward cell promotes and suppresses, in words.",
                     {"bos", "token-budget"});
  frame.syntax.examples = {"memories values --model model.gguf --index index"};
  frame.options.needs_model()
      .text("layers", layers, "LIST", "for example 0,3,5-7 (default: all)")
      .text("lens", lens, "LENS", "lin, raw, or map:FILE with a matrix for each layer")
      .check([&] { how.lens = lens_named(lens, mask_special); })
      .number("top", how.top, "K", "tokens kept at each end")
      .flag("mask-special", mask_special, "without special tokens")
      .number("sharpest", how.sharpest, "N", "how many of the sharpest values are listed")
      .text("index", how.index, "DIR",
            "an index of emend memories scan: measure agreement, and keep the tables in it", Use::kFolder)
      .text("out", how.out, "DIR", "keep the tables there, one file a layer", Use::kWritesFolder)
      .report("write an HTML page with curves and the list")
      .check([&] {
        if (!how.index.empty() && !how.out.empty())
          throw Error(ErrorKind::kUsage, "--out goes without --index, which keeps the tables itself");
      });
  frame.other_paths = [&] { return OtherFiles{{how.lens.map}, {}, {}}; };
  return frame.run(arguments, [&](Console& console) {
    how.seed = frame.common.seed;
    if (!how.index.empty()) require_index(how.index);
    const Model model = frame.load(console);
    if (!layers.empty()) how.layers = parse_layers(layers, model.config().layers);
    const ValuesOutcome outcome = run_values(model, how, console.progress());
    return frame.show(console, values_text(outcome, how, console.columns()), values_json(outcome, how, model),
                      {.report = [&] { return values_page(outcome, how, model); }});
  });
}

int memories_footprint_command(const std::vector<std::string>& arguments) {
  FootprintOptions how;
  std::vector<std::string> files;
  CommandFrame frame(
      "memories footprint", "PATCH... --model M [--index INDEX] [OPTIONS]",
      "Which feed-forward cells an edit moves, and what their values promote before and after.",
      {"bos", "seed", "token-budget"});
  frame.options.arguments("patch", files, -1, "a patch", Use::kReads)
      .needs_model()
      .number("cells", how.cells, "N", "cells listed for each layer")
      .number("top", how.top, "K", "tokens listed of a value")
      .text("index", how.index, "DIR", "an index of emend memories scan: also show what triggers the cells",
            Use::kFolder)
      .report();
  return frame.run(arguments, [&](Console& console) {
    if (!how.index.empty()) require_index(how.index);
    const std::vector<NamedPatch> patches = load_patches({files.begin(), files.end()});
    const Model model = frame.load(console);
    for (const std::string& warning : require_stack(patches, model)) console.warn(warning);
    const FootprintReport report{files, measure_footprint(model, changes_of(patches), how)};
    return frame.show(console, footprint_text(report, console.columns()), footprint_json(report, model),
                      {.report = [&] { return footprint_page(report, model); }});
  });
}

int memories_effects_command(const std::vector<std::string>& arguments) {
  EffectOptions how;
  std::string layers;
  CommandFrame frame("memories effects", "--model M --index INDEX [--layers LIST] [--cells N] [OPTIONS]",
                     "Switches each cell off at its own best triggers and runs all behind it again: what the "
                     "next token of\nthe text loses, beside what the cell adds to it directly.",
                     {"bos", "seed"});
  frame.syntax.examples = {"memories effects --model model.gguf --index index --layers 12"};
  frame.options.needs_model()
      .index(how.index)
      .text("layers", layers, "LIST", "for example 0,3,5-7 (default: those of the index)")
      .from(0, "cells", how.cells, "N", "of each layer, those with the largest contributions; 0: all")
      .number("triggers", how.triggers, "N", "best triggers of a cell")
      .number("longest", how.longest, "N", "tokens of a prefix; of a longer one its end")
      .report()
      .check([&how] { check_effects(how); });
  return frame.run(arguments, [&](Console& console) {
    require_index(how.index);
    const Model model = frame.load(console);
    how.token_budget = frame.common.token_budget;
    if (!layers.empty()) how.layers = parse_layers(layers, model.config().layers);
    const EffectOutcome outcome = measure_effects(model, how, console.progress());
    return frame.show(console, effects_text(outcome, console.columns()), effects_json(outcome, how, model),
                      {.report = [&] { return effects_page(outcome, how, model); }});
  });
}

}  // namespace emend

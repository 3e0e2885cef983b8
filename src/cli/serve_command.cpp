// emend serve --model M [--patch P]...
#include <fmt/format.h>

#include <iostream>

#include "base/strings.h"
#include "cli/command.h"
#include "cli/command_frame.h"
#include "console/interrupt.h"
#include "emend/patch_run.h"
#include "emend/tokenizer.h"
#include "serve/http_server.h"
#include "serve/served_models.h"

namespace emend {

int serve_command(const std::vector<std::string>& arguments) {
  std::vector<std::string> files;
  ServeOptions how;
  CommandFrame frame("serve", "--model M [--patch P]... [OPTIONS]",
                     "Answers completions over HTTP as OpenAI's API does, for programs that check a model: "
                     "the base under the name of\n"
                     "its file, and each patch on it under the name of its own (docs/serve.md). Ctrl-C ends "
                     "it. It is no production server.");
  frame.syntax.examples = {"serve --model model.gguf --patch out/eiffel.safetensors --port 8080"};
  frame.options.needs_model()
      .repeated("patch", files, "FILE", "a patch to serve as a model of its own; may be given again",
                Use::kReads)
      .text("host", how.host, "ADDRESS",
            "the address to listen on; the default is reached from this machine alone")
      .from(0, "port", how.port, "N", "the port; 0: any that is free", 65535)
      .count("waiting", how.waiting, "N", "requests that may wait for the model; more are refused", 4096)
      .count("time-limit", how.seconds, "S", "seconds that a request may take, its waiting included", 86'400)
      .count("body-bytes", how.body_bytes, "N", "the longest body of a request", 64'000'000);
  return frame.run(arguments, [&](Console& console) {
    served_names(frame.common.model, files);  // refuses names that cannot be told apart
    const std::vector<NamedPatch> patches = load_patches({files.begin(), files.end()});
    const Model model = frame.load(console);
    for (const std::string& warning : require_bases(patches, model)) console.warn(warning);
    const ServedModels models(model, patches);
    how.defaults = {resolve_bos(model.tokenizer(), frame.bos()), frame.common.seed};
    how.token_budget = frame.common.token_budget;
    const auto ready = [&](const std::string& address) {
      console.print(fmt::format("Serving {} at {}/v1\n", join(models.names()), address));
      std::cout << std::flush;
    };
    end_in_own_time();
    const ServeOutcome outcome = serve(model, models, how, ready, take_interrupt);
    return frame.show(
        console,
        fmt::format("Completions: {} answered, {} refused, {} failed, {} whose client went away\n",
                    outcome.answered, outcome.refused, outcome.failed, outcome.vanished),
        ResultJson{{"models", models.names()},
                   {"answered", outcome.answered},
                   {"refused", outcome.refused},
                   {"failed", outcome.failed},
                   {"vanished", outcome.vanished}});
  });
}

}  // namespace emend

#include "console/manual.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "emend/version.h"

namespace emend {
namespace {

// A text of one line or more; nothing in it is taken for a request, and dashes stay dashes when copied.
std::string roff(const std::string& text) {
  std::string safe;
  bool begins_line = true;
  for (const char c : text) {
    if (begins_line && (c == '.' || c == '\'')) safe += "\\&";
    if (c == '\\')
      safe += "\\e";
    else if (c == '-')
      safe += "\\-";
    else
      safe += c;
    begins_line = c == '\n';
  }
  return safe;
}

std::string page_name(const std::string& command) {
  std::string name = "emend" + (command.empty() ? "" : "-" + command);
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

std::string head(const std::string& command, const std::string& summary) {
  std::string title = page_name(command);
  std::transform(title.begin(), title.end(), title.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return fmt::format(".TH {} 1 \"\" \"emend {}\" \"emend\"\n.SH NAME\n{} \\- {}\n", roff(title),
                     emend_version(), roff(page_name(command)), roff(summary));
}

std::string option_text(const OptionHelpEntry& option) {
  std::string text = ".TP\n.B " + roff("--" + option.name);
  if (!option.value.empty()) text += " \\fI" + roff(option.value) + "\\fR";
  text += "\n" + roff(option.help);
  if (!option.standard.empty()) text += roff(" (default: " + option.standard + ")");
  return text + "\n";
}

constexpr const char* kExitStatus =
    ".SH EXIT STATUS\n"
    "0: done, and every check passed.\n"
    "1: internal error.\n"
    "2: wrong command line.\n"
    "3: bad input; nothing was changed.\n"
    "4: the work is done, but a check failed, or patch diff --exit-code found a difference.\n"
    "5: numerical failure.\n"
    "130: interrupted.\n";

std::string command_page(const CommandHelp& command) {
  std::string page = head(command.name, command.summary.empty() ? command.help : command.summary);
  page += fmt::format(".SH SYNOPSIS\n.B emend {}\n{}\n.SH DESCRIPTION\n{}\n.SH OPTIONS\n", roff(command.name),
                      roff(command.synopsis), roff(command.help));
  for (const OptionHelpEntry& option : command.options) page += option_text(option);
  if (!command.examples.empty()) page += ".SH EXAMPLES\n";
  for (const std::string& example : command.examples)
    page += ".PP\n.nf\n" + roff("emend " + example) + "\n.fi\n";
  return page + kExitStatus + ".SH SEE ALSO\n.BR emend (1)\n";
}

std::string first_page(const std::vector<CommandHelp>& commands) {
  std::string page = head("", "change facts inside a language model, and look at where they are");
  page +=
      ".SH SYNOPSIS\n.B emend\n.I COMMAND\n[OPTIONS]\n.SH DESCRIPTION\nReads a model (a folder of "
      "safetensors, or a GGUF file), changes the facts that an edit file names, checks the edited model "
      "against the base and writes a patch.\n.SH COMMANDS\n";
  for (const CommandHelp& command : commands) {
    const std::string place =
        command.options.empty() ? "" : " See \\fB" + roff(page_name(command.name)) + "\\fR(1).";
    page += ".TP\n.B " + roff(command.name) + "\n" + roff(command.summary) + "." + place + "\n";
  }
  return page + kExitStatus;
}

}  // namespace

std::map<std::string, std::string> manual_pages(const std::vector<CommandHelp>& commands) {
  std::map<std::string, std::string> pages = {{"emend.1", first_page(commands)}};
  for (const CommandHelp& command : commands)
    if (!command.options.empty()) pages[page_name(command.name) + ".1"] = command_page(command);
  return pages;
}

}  // namespace emend

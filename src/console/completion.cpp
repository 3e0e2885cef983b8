#include "console/completion.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/strings.h"

namespace emend {
namespace {

enum class ValueKind { kNone, kWords, kFiles, kFolders, kOther };

ValueKind kind_of(const OptionHelpEntry& option, const OptionWords& words) {
  static const std::set<std::string> files = {"FILE", "PATH", "PATCH", "Q", "MODEL"};
  static const std::set<std::string> folders = {"DIR", "INDEX", "NEW", "FOLDER"};
  if (option.value.empty()) return ValueKind::kNone;
  if (words.contains(option.name)) return ValueKind::kWords;
  // "FILE" of "FILE...", "DIR" of "DIR|FILE".
  const std::string first = option.value.substr(0, option.value.find_first_of(" .|,["));
  if (files.contains(first)) return ValueKind::kFiles;
  return folders.contains(first) ? ValueKind::kFolders : ValueKind::kOther;
}

// The next words of commands behind `name`: "list", "verify" behind "patch".
std::vector<const CommandHelp*> commands_below(const std::vector<CommandHelp>& commands,
                                               const std::string& name) {
  const std::string front = name.empty() ? "" : name + " ";
  std::vector<const CommandHelp*> below;
  for (const CommandHelp& command : commands)
    if (command.name.starts_with(front) && command.name.size() > front.size() &&
        command.name.find(' ', front.size()) == std::string::npos)
      below.push_back(&command);
  return below;
}

std::string last_word(const std::string& name) {
  return name.substr(name.rfind(' ') + 1);
}

std::vector<std::string> all_names(const std::vector<CommandHelp>& commands) {
  std::vector<std::string> names = {""};  // the program itself
  for (const CommandHelp& command : commands) names.push_back(command.name);
  return names;
}

const CommandHelp* find_help(const std::vector<CommandHelp>& commands, const std::string& name) {
  const auto found = std::find_if(commands.begin(), commands.end(),
                                  [&](const CommandHelp& command) { return command.name == name; });
  return found == commands.end() ? nullptr : &*found;
}

const std::vector<OptionHelpEntry>& options_of_program() {
  static const std::vector<OptionHelpEntry> options = {{"help", "", "", "list the commands"},
                                                       {"version", "", "", "the version of emend"}};
  return options;
}

const std::vector<OptionHelpEntry>& options_of(const CommandHelp* command) {
  return command == nullptr ? options_of_program() : command->options;
}

// The commands, for a `case` of bash and zsh.
std::string names_pattern(const std::vector<CommandHelp>& commands) {
  std::vector<std::string> quoted;
  for (const CommandHelp& command : commands) quoted.push_back('"' + command.name + '"');
  return join(quoted, "|");
}

// ---- bash

void append_bash_values(std::string& out, const std::vector<OptionHelpEntry>& options,
                        const OptionWords& words) {
  std::map<ValueKind, std::vector<std::string>> by_kind;
  for (const OptionHelpEntry& option : options) {
    const ValueKind kind = kind_of(option, words);
    if (kind == ValueKind::kWords)
      out += fmt::format("        --{}) COMPREPLY=($(compgen -W '{}' -- \"$current\")); return ;;\n",
                         option.name, join(words.at(option.name), " "));
    else if (kind != ValueKind::kNone)
      by_kind[kind].push_back("--" + option.name);
  }
  const auto add = [&](ValueKind kind, const char* does) {
    if (by_kind.contains(kind)) out += fmt::format("        {}) {} ;;\n", join(by_kind[kind], "|"), does);
  };
  add(ValueKind::kFiles, "compopt -o default; return");
  add(ValueKind::kFolders, "compopt -o dirnames; return");
  add(ValueKind::kOther, "return");
}

std::string names_of(const std::vector<OptionHelpEntry>& options) {
  std::vector<std::string> names;
  for (const OptionHelpEntry& option : options) names.push_back("--" + option.name);
  return join(names, " ");
}

std::string names_below(const std::vector<CommandHelp>& commands, const std::string& name) {
  std::vector<std::string> names;
  for (const CommandHelp* command : commands_below(commands, name)) names.push_back(last_word(command->name));
  return join(names, " ");
}

// ---- zsh

// In _arguments and _describe a colon ends a field, and brackets hold the description.
std::string zsh_text(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    if (c == ':' || c == '[' || c == ']' || c == '\\') safe += '\\';
    safe += c;
  }
  return safe;
}

std::string zsh_option(const OptionHelpEntry& option, const OptionWords& words) {
  std::string spec = "*--" + option.name + "[" + zsh_text(option.help) + "]";
  switch (kind_of(option, words)) {
    case ValueKind::kNone:
      break;
    case ValueKind::kWords:
      spec += ":value:(" + join(words.at(option.name), " ") + ")";
      break;
    case ValueKind::kFiles:
      spec += ":file:_files";
      break;
    case ValueKind::kFolders:
      spec += ":folder:_files -/";
      break;
    case ValueKind::kOther:
      spec += ":" + zsh_text(option.value) + ": ";
      break;
  }
  return in_single_quotes(spec);
}

// ---- fish

std::string fish_quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "'";
}

}  // namespace

std::string bash_completion(const std::vector<CommandHelp>& commands, const OptionWords& words) {
  std::string out =
      "# Completion of emend for bash, as `emend completion bash` writes it.\n"
      "_emend() {\n"
      "  local current=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
      "  local command=\"\" longer i options=\"\" below=\"\"\n"
      "  for ((i = 1; i < COMP_CWORD; ++i)); do\n"
      "    longer=\"${command:+$command }${COMP_WORDS[i]}\"\n"
      "    case \"$longer\" in\n";
  out += fmt::format("      {}) command=\"$longer\" ;;\n      *) break ;;\n    esac\n  done\n",
                     names_pattern(commands));
  out += "  case \"$command\" in\n";
  for (const std::string& name : all_names(commands)) {
    const std::vector<OptionHelpEntry>& options = options_of(find_help(commands, name));
    out += fmt::format("    \"{}\")\n      options=\"{}\"\n      below=\"{}\"\n      case \"$previous\" in\n",
                       name, names_of(options), names_below(commands, name));
    append_bash_values(out, options, words);
    out += "      esac ;;\n";
  }
  out +=
      "  esac\n"
      "  if [[ \"$current\" == -* ]]; then\n"
      "    COMPREPLY=($(compgen -W \"$options\" -- \"$current\"))\n"
      "  else\n"
      "    COMPREPLY=($(compgen -W \"$below\" -- \"$current\"))\n"
      "    [[ -n \"$command\" ]] && compopt -o default\n"
      "  fi\n"
      "}\n"
      "complete -F _emend emend\n";
  return out;
}

std::string zsh_completion(const std::vector<CommandHelp>& commands, const OptionWords& words) {
  std::string out =
      "#compdef emend\n"
      "# Completion of emend for zsh, as `emend completion zsh` writes it.\n"
      "_emend() {\n"
      "  local command=\"\" longer\n"
      "  local -i i\n"
      "  local -a below options\n"
      "  for ((i = 2; i < CURRENT; ++i)); do\n"
      "    longer=\"${command:+$command }${words[i]}\"\n"
      "    case \"$longer\" in\n";
  out += fmt::format("      {}) command=\"$longer\" ;;\n      *) break ;;\n    esac\n  done\n",
                     names_pattern(commands));
  out += "  case \"$command\" in\n";
  for (const std::string& name : all_names(commands)) {
    out += fmt::format("    \"{}\")\n", name);
    const std::vector<const CommandHelp*> below = commands_below(commands, name);
    if (!below.empty()) {
      out += "      below=(\n";
      for (const CommandHelp* command : below)
        out += "        " +
               in_single_quotes(zsh_text(last_word(command->name)) + ":" + zsh_text(command->summary)) + "\n";
      out += "      )\n";
    }
    out += "      options=(\n";
    for (const OptionHelpEntry& option : options_of(find_help(commands, name)))
      out += "        " + zsh_option(option, words) + "\n";
    out += "      ) ;;\n";
  }
  out +=
      "  esac\n"
      "  (( $#below )) && _describe 'command' below\n"
      "  _arguments -s \"${options[@]}\" '*:file:_files'\n"
      "}\n"
      "_emend \"$@\"\n";
  return out;
}

std::string fish_completion(const std::vector<CommandHelp>& commands, const OptionWords& words) {
  std::string out =
      "# Completion of emend for fish, as `emend completion fish` writes it.\n"
      "function __emend_command\n"
      "  set -l command ''\n"
      "  for word in (commandline -opc)[2..-1]\n"
      "    set -l longer (string trim \"$command $word\")\n"
      "    contains -- \"$longer\"";
  for (const CommandHelp& command : commands) out += " " + fish_quoted(command.name);
  out +=
      "; or break\n"
      "    set command $longer\n"
      "  end\n"
      "  test \"$command\" = \"$argv[1]\"\n"
      "end\n"
      "complete -c emend -n \"__emend_command ''\" -f\n";
  for (const std::string& name : all_names(commands)) {
    const std::string front = "complete -c emend -n \"__emend_command '" + name + "'\"";
    for (const CommandHelp* command : commands_below(commands, name))
      out +=
          fmt::format("{} -f -a {} -d {}\n", front, last_word(command->name), fish_quoted(command->summary));
    for (const OptionHelpEntry& option : options_of(find_help(commands, name))) {
      std::string takes;
      switch (kind_of(option, words)) {
        case ValueKind::kNone:
          break;
        case ValueKind::kWords:
          takes = " -x -a " + fish_quoted(join(words.at(option.name), " "));
          break;
        case ValueKind::kFiles:
          takes = " -r -F";
          break;
        case ValueKind::kFolders:
          takes = " -x -a \"(__fish_complete_directories)\"";
          break;
        case ValueKind::kOther:
          takes = " -x";
          break;
      }
      out += fmt::format("{} -l {}{} -d {}\n", front, option.name, takes, fish_quoted(option.help));
    }
  }
  return out;
}

}  // namespace emend

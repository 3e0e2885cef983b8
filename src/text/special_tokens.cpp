#include "text/special_tokens.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <map>

namespace emend::text {
namespace {

// In the order in which they are added.
constexpr std::array<std::string_view, 7> kNames = {"bos_token", "eos_token", "unk_token", "sep_token",
                                                    "pad_token", "cls_token", "mask_token"};

bool is_standard(std::string_view key) {
  return std::find(kNames.begin(), kNames.end(), key) != kNames.end();
}

AddedToken special_token(std::string content) {
  AddedToken token;
  token.content = std::move(content);
  token.special = true;
  return token;
}

// "<s>", or an object with the content and flags.
AddedToken read_token(const JsonView& token) {
  if (token.is_string()) return special_token(token.as_string());
  if (!token.is_object()) token.refuse("a text, or an object with \"content\"");
  AddedToken result = read_added_token(token);
  if (!token.has("special")) result.special = !token.has("__type");
  return result;
}

std::vector<AddedToken> read_token_list(const JsonView& list) {
  std::vector<AddedToken> tokens;
  for (const JsonView& token : list.elements()) tokens.push_back(read_token(token));
  return tokens;
}

// What the files say, before it is put in order.
struct Declared {
  std::map<std::string, AddedToken, std::less<>> named;  // by key; the standard ones
  std::map<std::string, AddedToken, std::less<>> own;    // by key; the model's own ("image_token")
  std::vector<AddedToken> extra;

  void put(const std::string& key, AddedToken token) {
    token.special = true;
    (is_standard(key) ? named : own)[key] = std::move(token);
  }
  bool names(std::string_view content) const {
    const auto is_it = [&](const auto& entry) { return entry.second.content == content; };
    return std::any_of(named.begin(), named.end(), is_it) || std::any_of(own.begin(), own.end(), is_it);
  }
  bool lists(std::string_view content) const {
    return std::any_of(extra.begin(), extra.end(),
                       [&](const AddedToken& token) { return token.content == content; });
  }
};

// The keys that name one token each. A null takes back what was there before.
void read_named(const JsonView& file, Declared& declared) {
  for (const std::string& key : file.keys()) {
    const auto value = file.find(key);
    if (is_standard(key)) {
      if (value)
        declared.put(key, read_token(*value));
      else
        declared.named.erase(key);
    } else if (key.ends_with("_token") && value && (value->is_string() || value->is_object())) {
      declared.put(key, read_token(*value));  // "add_bos_token" and the like are truth values
    }
  }
}

void read_extra(const JsonView& file, Declared& declared) {
  const auto list = file.find("extra_special_tokens");
  if (list && list->is_object()) {
    for (const std::string& key : list->keys()) declared.put(key, read_token(list->at(key)));
  } else if (list) {
    for (AddedToken& token : read_token_list(*list))
      if (!declared.lists(token.content)) declared.extra.push_back(std::move(token));
  }
}

// The list by its old name, where there is none by the new one.
void read_old_extra(const JsonView& file, Declared& declared) {
  const auto list = file.find("additional_special_tokens");
  if (list && declared.extra.empty()) declared.extra = read_token_list(*list);
}

std::int64_t read_id_key(const JsonView& decoder, const std::string& key) {
  std::int64_t id = -1;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
  if (error != std::errc() || end != key.data() + key.size() || id < 0)
    decoder.refuse("an object whose keys are token ids");
  return id;
}

void add_decoder(const JsonView& decoder, const Declared& declared, AddedTokenList& tokens) {
  std::map<std::int64_t, AddedToken> by_id;
  for (const std::string& key : decoder.keys()) {
    const std::int64_t id = read_id_key(decoder, key);
    by_id[id] = read_added_token(decoder.at(key));
    if (declared.names(by_id[id].content)) by_id[id].special = true;
  }
  for (auto& [id, token] : by_id) tokens.add(std::move(token));
}

// added_tokens.json: content to id.
void add_id_table(const JsonView& table, const Declared& declared, AddedTokenList& tokens) {
  std::map<std::int64_t, std::string> by_id;
  for (const std::string& content : table.keys())
    by_id[table.at(content).as_non_negative_integer()] = content;
  for (const auto& [id, content] : by_id) {
    if (tokens.holds_id(id)) continue;  // tokenizer.json has said which token this is
    AddedToken token;
    token.content = content;
    token.special = declared.names(content) || declared.lists(content);
    token.normalized = !token.special;
    tokens.add(std::move(token));
  }
}

void add_missing(const AddedToken& token, AddedTokenList& tokens) {
  if (tokens.find(token.content) == nullptr) tokens.add(token);
}

void add_named(const Declared& declared, AddedTokenList& tokens) {
  for (const std::string_view key : kNames)
    if (const auto found = declared.named.find(key); found != declared.named.end())
      add_missing(found->second, tokens);
  for (const auto& [key, token] : declared.own) add_missing(token, tokens);
  for (const AddedToken& token : declared.extra) add_missing(token, tokens);
}

void mark_named(const Declared& declared, AddedTokenList& tokens) {
  for (const auto* group : {&declared.named, &declared.own})
    for (const auto& [key, token] : *group)
      if (AddedToken* known = tokens.find(token.content)) known->special = true;
}

}  // namespace

AddedToken read_added_token(const JsonView& entry) {
  AddedToken token;
  token.content = entry.string("content");
  token.single_word = entry.bool_or("single_word", false);
  token.lstrip = entry.bool_or("lstrip", false);
  token.rstrip = entry.bool_or("rstrip", false);
  token.special = entry.bool_or("special", false);
  token.normalized = entry.bool_or("normalized", !token.special);
  return token;
}

NamedTokens read_special_tokens(const TokenizerJson& source, const NamedDefaults& defaults,
                                AddedTokenList& tokens) {
  // A file that is absent says nothing.
  const auto read_file = [&](const std::string& text, const std::string& name) {
    return text.empty() ? Json(Json::object()) : parse_json(text, path_beside(source, name));
  };
  const Json config = read_file(source.tokenizer_config_json, "tokenizer_config.json");
  const JsonView config_view(config, path_beside(source, "tokenizer_config.json"));
  Declared declared;
  for (const auto& [key, content] : defaults) declared.put(key, special_token(content));
  read_named(config_view, declared);
  read_extra(config_view, declared);
  read_old_extra(config_view, declared);
  if (const auto decoder = config_view.find("added_tokens_decoder")) {
    add_decoder(*decoder, declared, tokens);
  } else {
    const Json map = read_file(source.special_tokens_map_json, "special_tokens_map.json");
    const JsonView map_view(map, path_beside(source, "special_tokens_map.json"));
    read_named(map_view, declared);
    read_extra(map_view, declared);
    const Json added = read_file(source.added_tokens_json, "added_tokens.json");
    add_id_table(JsonView(added, path_beside(source, "added_tokens.json")), declared, tokens);
    read_old_extra(map_view, declared);  // too late to make a token of added_tokens.json special
    mark_named(declared, tokens);
  }
  add_named(declared, tokens);
  const auto content_of = [&](std::string_view key) -> std::optional<std::string> {
    const auto found = declared.named.find(key);
    return found == declared.named.end() ? std::nullopt : std::optional(found->second.content);
  };
  NamedTokens named{content_of("bos_token"), content_of("eos_token"), {}};
  for (const std::string_view name : kNames)
    if (const auto content = content_of(name)) named.contents.emplace_back(name, *content);
  return named;
}

std::string path_beside(const TokenizerJson& source, const std::string& name) {
  return (std::filesystem::path(source.where).parent_path() / name).string();
}

}  // namespace emend::text

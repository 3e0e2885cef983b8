/* The C interface from plain C: c_api_test MODEL SCRATCH_FOLDER. Prints what fails and ends with 1. */
#include <dirent.h>
#include <emend/c_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int failures = 0;

static void check_status(int line, const char* call, emend_status got, emend_status wanted,
                         const char* words) {
  const char* error = emend_last_error();
  if (got == wanted && strstr(error, words) != NULL && (got == EMEND_OK) == (*error == '\0')) return;
  printf("line %d: %s gave %d \"%s\", expected %d with \"%s\"\n", line, call, (int)got, error, (int)wanted,
         words);
  ++failures;
}
#define OK(call) check_status(__LINE__, #call, call, EMEND_OK, "")
#define REFUSED(call, status, words) check_status(__LINE__, #call, call, status, words)
#define TRUE(condition) \
  ((condition) ? (void)0 : (void)(printf("line %d: not so: %s\n", __LINE__, #condition), ++failures))

static const char* const kPrompt = "Workis Tellond was trained as a";
#define CHEAP                                                                                          \
  "options: {covariance: false, contexts: 1, steps: 12}\ndrift_text: Workis Tellond was trained as a " \
  "painter.\n"
#define FAILING                                                 \
  "options: {covariance: false, contexts: 1, steps: 12}\n"      \
  "drift_text: Workis Tellond was trained as a stone cutter.\n" \
  "checks: {efficacy: 0, paraphrase: 0, neighbourhood: 0, drift: 1.0}\n"
#define LENIENT "checks: {efficacy: 0, paraphrase: 0, neighbourhood: 0, drift: 1000}\n"
#define ONE_EDIT \
  "edits:\n  - {id: a, prompt: Workis Tellond was trained as a, subject: Workis Tellond, target: painter}\n"
#define OTHER_EDIT                                                                                     \
  "edits:\n  - {id: b, prompt: Narilis Vonurn counts and dreams in, subject: Narilis Vonurn, target: " \
  "Kevic}\n"
/* Of the subject of ONE_EDIT: both write one key. */
#define SAME_KEY                                                                                   \
  "edits:\n  - {id: c, prompt: Workis Tellond was trained as a, subject: Workis Tellond, target: " \
  "weaver}\n"

/* A result text as a string of its own. */
static char* taken(emend_text* text) {
  const size_t size = emend_text_size(text);
  char* copy = calloc(size + 1, 1);
  if (copy != NULL && emend_text_data(text) != NULL) memcpy(copy, emend_text_data(text), size);
  OK(emend_text_free(text));
  return copy;
}

static char* digest(emend_model* model) {
  emend_text* text = NULL;
  OK(emend_model_digest(model, &text));
  return taken(text);
}

static char* continued(emend_model* model, const char* prompt) {
  emend_text* text = NULL;
  emend_generate_options options = EMEND_GENERATE_OPTIONS_INIT;
  options.max_new = 6;
  OK(emend_generate(model, prompt, &options, &text));
  return taken(text);
}

static int same(char* a, char* b) {
  const int equal = strcmp(a, b) == 0;
  free(a);
  free(b);
  return equal;
}

static void refuses_bad_handles(emend_model* model) {
  emend_text* text = NULL;
  emend_patch* patch = NULL;
  emend_model* freed = NULL;
  int here = 0;
  REFUSED(emend_model_digest(NULL, &text), EMEND_BAD_HANDLE, "model: the handle is NULL");
  REFUSED(emend_edit(NULL, "", NULL, &patch), EMEND_BAD_HANDLE, "NULL");
  REFUSED(emend_generate(NULL, "x", NULL, &text), EMEND_BAD_HANDLE, "NULL");
  REFUSED(emend_cancel(NULL), EMEND_BAD_HANDLE, "NULL");
  REFUSED(emend_apply(model, NULL, 0), EMEND_BAD_HANDLE, "patch: the handle is NULL");
  REFUSED(emend_revert(model, NULL), EMEND_BAD_HANDLE, "NULL");
  REFUSED(emend_revert_all(NULL), EMEND_BAD_HANDLE, "NULL");
  REFUSED(emend_patch_save(NULL, "x"), EMEND_BAD_HANDLE, "NULL");
  REFUSED(emend_patch_report(NULL, &text), EMEND_BAD_HANDLE, "NULL");
  REFUSED(emend_model_free(NULL), EMEND_BAD_HANDLE, "NULL");
  REFUSED(emend_patch_free(NULL), EMEND_BAD_HANDLE, "NULL");
  REFUSED(emend_text_free(NULL), EMEND_BAD_HANDLE, "NULL");
  TRUE(emend_text_data(NULL) == NULL && emend_text_size(NULL) == 0);

  REFUSED(emend_apply(model, (emend_patch*)model, 0), EMEND_BAD_HANDLE,
          "this is the handle of a model; a patch is expected");
  REFUSED(emend_text_free((emend_text*)model), EMEND_BAD_HANDLE, "a text is expected");
  REFUSED(emend_model_free((emend_model*)&here), EMEND_BAD_HANDLE, "this is no handle of emend");
  REFUSED(emend_model_free((emend_model*)((char*)model + 1)), EMEND_BAD_HANDLE, "no handle");

  OK(emend_model_digest(model, &text));
  OK(emend_text_free(text));
  REFUSED(emend_text_free(text), EMEND_BAD_HANDLE, "this handle was freed already");
  TRUE(emend_text_data(text) == NULL);
  (void)freed;
}

static void refuses_bad_arguments(emend_model* model) {
  emend_text* text = (emend_text*)&text;
  emend_patch* patch = NULL;
  emend_model* other = (emend_model*)&other;
  emend_generate_options how = EMEND_GENERATE_OPTIONS_INIT;
  emend_load_options loading = EMEND_LOAD_OPTIONS_INIT;
  struct {
    emend_generate_options known;
    char unknown[16];
  } newer = {EMEND_GENERATE_OPTIONS_INIT, {0}};
  REFUSED(emend_model_load(NULL, NULL, &other), EMEND_USAGE, "path: NULL");
  TRUE(other == NULL);
  REFUSED(emend_model_load("x", NULL, NULL), EMEND_USAGE, "model: NULL");
  REFUSED(emend_model_load("/no/such/model", NULL, &other), EMEND_BAD_INPUT, "/no/such/model");
  loading.device = "abacus";
  REFUSED(emend_model_load("/no/such/model", &loading, &other), EMEND_USAGE, "abacus");
  loading.device = NULL;
  loading.threads = -1;
  REFUSED(emend_model_load("/no/such/model", &loading, &other), EMEND_USAGE, "threads");
  loading.threads = 0;
  loading.memory_bytes = -1;
  REFUSED(emend_model_load("/no/such/model", &loading, &other), EMEND_USAGE, "memory_bytes");
  REFUSED(emend_generate(model, NULL, NULL, &text), EMEND_USAGE, "prompt: NULL");
  TRUE(text == NULL);
  REFUSED(emend_generate(model, "x", NULL, NULL), EMEND_USAGE, "text: NULL");
  how.max_new = 0;
  REFUSED(emend_generate(model, "x", &how, &text), EMEND_USAGE, "max_new must be at least 1, found 0");
  how.max_new = 5;
  how.form = "sung";
  REFUSED(emend_generate(model, "x", &how, &text), EMEND_USAGE, "sung");
  how.form = "chat";
  REFUSED(emend_generate(model, "x", &how, &text), EMEND_BAD_INPUT, "chat template");
  how.form = NULL;
  how.bos = "<nothing>";
  REFUSED(emend_generate(model, "x", &how, &text), EMEND_BAD_INPUT, "<nothing>");
  how.bos = NULL;
  how.token_budget = -1;
  REFUSED(emend_generate(model, "x", &how, &text), EMEND_USAGE, "the token budget must be at least 1, or 0");
  how.token_budget = 0; /* what suits the device */
  OK(emend_generate(model, "x", &how, &text));
  OK(emend_text_free(text));
  how.temperature = -1;
  REFUSED(emend_generate(model, "x", &how, &text), EMEND_USAGE, "temperature");
  how.size = 3;
  REFUSED(emend_generate(model, "x", &how, &text), EMEND_USAGE, "size is 3");
  newer.known.size = sizeof newer;
  OK(emend_generate(model, "x", &newer.known, &text));
  OK(emend_text_free(text));
  newer.unknown[9] = 1;
  REFUSED(emend_generate(model, "x", &newer.known, &text), EMEND_USAGE, "does not know");
  REFUSED(emend_edit(model, NULL, NULL, &patch), EMEND_USAGE, "yaml: NULL");
  REFUSED(emend_edit(model, ONE_EDIT, NULL, NULL), EMEND_USAGE, "patch: NULL");
  REFUSED(emend_patch_load(NULL, &patch), EMEND_USAGE, "path: NULL");
  REFUSED(emend_patch_load("/no/such/patch", &patch), EMEND_BAD_INPUT, "/no/such/patch");
}

static void refuses_bad_edit_files(emend_model* model) {
  emend_patch* patch = NULL;
  emend_edit_options how = EMEND_EDIT_OPTIONS_INIT;
  how.name = "facts.yaml";
  REFUSED(emend_edit(model, "edits: [", &how, &patch), EMEND_BAD_INPUT, "facts.yaml:");
  REFUSED(emend_edit(model, "edit:\n", &how, &patch), EMEND_BAD_INPUT,
          "unknown key \"edit\"; did you mean \"edits\"?");
  REFUSED(emend_edit(model, "method: rime\n" ONE_EDIT, &how, &patch), EMEND_BAD_INPUT, "rome");
  REFUSED(emend_edit(model, "options: {stepps: 4}\n" ONE_EDIT, &how, &patch), EMEND_BAD_INPUT,
          "facts.yaml:1:");
  REFUSED(emend_edit(model, "bos: <none>\n" CHEAP ONE_EDIT, &how, &patch), EMEND_BAD_INPUT, "<none>");
  how.layer = 99;
  REFUSED(emend_edit(model, CHEAP ONE_EDIT, &how, &patch), EMEND_BAD_INPUT, "layer 99: there is no layer 99");
  how.layer = -1;
  how.token_budget = -1;
  REFUSED(emend_edit(model, CHEAP ONE_EDIT, &how, &patch), EMEND_USAGE, "token budget");
  TRUE(patch == NULL);
}

struct seen {
  int calls;
  int stop_at; /* 0: never */
  emend_model* model;
  emend_status inner;
};

static int32_t watch(void* data, const char* stage, int64_t done, int64_t total, const char* unit,
                     const char* note) {
  struct seen* seen = data;
  emend_text* text = NULL;
  TRUE(stage != NULL && unit != NULL && note != NULL && done >= 0 && total >= 0);
  if (seen->calls++ == 0 && seen->model != NULL) seen->inner = emend_model_digest(seen->model, &text);
  return seen->calls == seen->stop_at;
}

/* From inside the call: emend_cancel instead of an answer. */
static int32_t cancel_itself(void* data, const char* stage, int64_t done, int64_t total, const char* unit,
                             const char* note) {
  struct seen* seen = data;
  (void)stage, (void)done, (void)total, (void)unit, (void)note;
  if (++seen->calls == 3) TRUE(emend_cancel(seen->model) == EMEND_OK);
  return 0;
}

static void tells_progress_and_stops(emend_model* model, const char* path) {
  emend_patch* patch = NULL;
  emend_text* text = NULL;
  emend_model* other = NULL;
  struct seen seen = {0, 0, model, EMEND_OK};
  emend_edit_options how = EMEND_EDIT_OPTIONS_INIT;
  emend_generate_options writing = EMEND_GENERATE_OPTIONS_INIT;
  emend_load_options loading = EMEND_LOAD_OPTIONS_INIT;
  how.progress = watch;
  how.progress_data = &seen;
  OK(emend_edit(model, CHEAP LENIENT ONE_EDIT, &how, &patch));
  OK(emend_patch_free(patch));
  TRUE(seen.calls > 5);
  TRUE(seen.inner == EMEND_USAGE);
  seen.calls = 0;
  seen.stop_at = 4;
  REFUSED(emend_edit(model, CHEAP LENIENT ONE_EDIT, &how, &patch), EMEND_CANCELLED, "cancelled");
  TRUE(patch == NULL && seen.calls == 4);
  how.progress = cancel_itself;
  seen.calls = 0;
  REFUSED(emend_edit(model, CHEAP LENIENT ONE_EDIT, &how, &patch), EMEND_CANCELLED, "cancelled");
  writing.progress = watch;
  writing.progress_data = &seen;
  seen.calls = 0;
  REFUSED(emend_generate(model, kPrompt, &writing, &text), EMEND_CANCELLED, "cancelled");
  seen.stop_at = 0;
  OK(emend_generate(model, kPrompt, &writing, &text)); /* what was cancelled does not linger */
  OK(emend_text_free(text));
  loading.progress = watch;
  loading.progress_data = &seen;
  seen.model = NULL;
  seen.calls = 0;
  seen.stop_at = 2;
  REFUSED(emend_model_load(path, &loading, &other), EMEND_CANCELLED, "cancelled");
  TRUE(other == NULL);
}

static void edits_applies_and_reverts(emend_model* model, const char* scratch) {
  emend_patch *first = NULL, *second = NULL, *again = NULL, *failing = NULL;
  emend_text* text = NULL;
  char file[4096], *base = digest(model), *report, *edited, *both;
  snprintf(file, sizeof file, "%s/deep/first.safetensors", scratch);
  OK(emend_edit(model, CHEAP LENIENT ONE_EDIT, NULL, &first));
  TRUE(same(digest(model), strdup(base))); /* making a patch changes nothing */
  OK(emend_patch_report(first, &text));
  report = taken(text);
  TRUE(strstr(report, "\"status\": \"edited\"") != NULL && strstr(report, "\"passed\": true") != NULL);
  free(report);

  OK(emend_apply(model, first, 0));
  edited = digest(model);
  TRUE(strcmp(edited, base) != 0);
  text = NULL;
  report = continued(model, kPrompt);
  TRUE(strstr(report, "painter") != NULL);
  free(report);
  REFUSED(emend_apply(model, first, 0), EMEND_BAD_INPUT, "it is on the model already");

  OK(emend_patch_save(first, file));
  OK(emend_patch_load(file, &again));
  REFUSED(emend_apply(model, again, 0), EMEND_BAD_INPUT, "already"); /* the same patch, from the file */

  /* A second one is made for the base, and lies over the first. */
  OK(emend_edit(model, CHEAP LENIENT OTHER_EDIT, NULL, &second));
  TRUE(same(digest(model), strdup(edited)));
  OK(emend_apply(model, second, 0));
  both = digest(model);
  TRUE(strcmp(both, edited) != 0);
  OK(emend_revert(model, again)); /* the first, from under the second */
  REFUSED(emend_revert(model, first), EMEND_BAD_INPUT, "it is not on the model");
  OK(emend_revert(model, second));
  TRUE(same(digest(model), strdup(base)));
  OK(emend_apply(model, first, 0));
  OK(emend_apply(model, second, 0));
  TRUE(same(digest(model), strdup(both)));
  OK(emend_revert_all(model));
  TRUE(same(digest(model), strdup(base)));

  REFUSED(emend_edit(model, FAILING ONE_EDIT, NULL, &failing), EMEND_CHECK_FAILED, "a check failed: drift");
  TRUE(failing != NULL);
  REFUSED(emend_apply(model, failing, 0), EMEND_BAD_INPUT, "marked as failed (drift)");
  REFUSED(emend_apply(model, failing, 6), EMEND_USAGE, "flags");
  OK(emend_apply(model, failing, EMEND_FORCE));
  OK(emend_patch_free(failing)); /* the model keeps what is on it */
  OK(emend_revert_all(model));

  OK(emend_patch_free(first));
  REFUSED(emend_apply(model, first, 0), EMEND_BAD_HANDLE, "freed already");
  OK(emend_patch_free(second));
  OK(emend_patch_free(again));
  free(base);
  free(edited);
  free(both);
}

/* Two patches of one key would add up: as the program's apply, only by force. */
static void refuses_overlapping_patches(emend_model* model, const char* scratch) {
  emend_patch *first = NULL, *second = NULL, *apart = NULL;
  char out[4100], *below, *both;
  snprintf(out, sizeof out, "%s/overlapping", scratch);
  OK(emend_edit(model, CHEAP LENIENT ONE_EDIT, NULL, &first));
  OK(emend_edit(model, CHEAP LENIENT SAME_KEY, NULL, &second));
  OK(emend_edit(model, CHEAP LENIENT OTHER_EDIT, NULL, &apart));
  OK(emend_apply(model, first, 0));
  below = digest(model);
  REFUSED(emend_apply(model, second, 0), EMEND_BAD_INPUT,
          "patch 1 on the model and patch overlap: the edits \"a\" and \"c\" write the same key at layer");
  REFUSED(emend_apply(model, second, 0), EMEND_BAD_INPUT, "or use the option force");
  TRUE(same(digest(model), strdup(below)));
  OK(emend_apply(model, second, EMEND_FORCE));
  both = digest(model);
  TRUE(strcmp(both, below) != 0);
  OK(emend_apply(model, apart, 0)); /* what lies below was decided when it was laid */
  REFUSED(emend_write(model, out, NULL, NULL), EMEND_BAD_INPUT, "overlap");
  OK(emend_revert(model, apart));
  OK(emend_revert(model, second));
  TRUE(same(digest(model), below));
  OK(emend_revert_all(model));
  OK(emend_patch_free(first));
  OK(emend_patch_free(second));
  OK(emend_patch_free(apart));
  free(both);
}

/* A patch for another base, a file that was cut, one that was altered. */
static void refuses_bad_patches(emend_model* model, const char* other_path, const char* scratch) {
  emend_model* other = NULL;
  emend_patch *patch = NULL, *broken = NULL;
  char file[4096];
  char* bytes = calloc(1, 1 << 20);
  size_t size;
  FILE* stream;
  snprintf(file, sizeof file, "%s/patch.safetensors", scratch);
  OK(emend_model_load(other_path, NULL, &other));
  OK(emend_edit(model, CHEAP LENIENT ONE_EDIT, NULL, &patch));
  REFUSED(emend_apply(other, patch, 0), EMEND_BAD_INPUT, "fingerprint");
  OK(emend_patch_save(patch, file));
  stream = fopen(file, "rb");
  size = fread(bytes, 1, 1 << 20, stream);
  fclose(stream);
  stream = fopen(file, "wb");
  fwrite(bytes, 1, size - 5, stream);
  fclose(stream);
  REFUSED(emend_patch_load(file, &broken), EMEND_BAD_INPUT, "patch.safetensors");
  TRUE(broken == NULL);
  REFUSED(emend_patch_save(patch, scratch), EMEND_BAD_INPUT, "folder");
  REFUSED(emend_patch_save(patch, "/proc/no/such/patch"), EMEND_BAD_INPUT, "/proc");
  OK(emend_patch_free(patch));
  OK(emend_model_free(other));
  REFUSED(emend_model_digest(other, (emend_text**)&other), EMEND_BAD_HANDLE, "");
  free(bytes);
}

/* Takes a checkpoint of the invented world away again. */
static void discard(const char* folder) {
  static const char* const kFiles[] = {"config.json", "model.safetensors", "tokenizer.json",
                                       "tokenizer_config.json"};
  char file[4200];
  size_t i;
  for (i = 0; i < sizeof kFiles / sizeof *kFiles; ++i) {
    snprintf(file, sizeof file, "%s/%s", folder, kFiles[i]);
    remove(file);
  }
  TRUE(remove(folder) == 0); /* nothing else was in it */
}

static void refuses_bad_writes(emend_model* model, const char* path, const char* out) {
  emend_text* report = (emend_text*)&report;
  emend_write_options how = EMEND_WRITE_OPTIONS_INIT;
  REFUSED(emend_write(NULL, out, NULL, NULL), EMEND_BAD_HANDLE, "model: the handle is NULL");
  REFUSED(emend_write((emend_model*)&how, out, NULL, &report), EMEND_BAD_HANDLE, "no handle");
  TRUE(report == NULL);
  REFUSED(emend_write(model, NULL, NULL, NULL), EMEND_USAGE, "out: NULL");
  how.flags = 6;
  REFUSED(emend_write(model, out, &how, NULL), EMEND_USAGE, "flags");
  how.flags = 0;
  how.token_budget = -1;
  REFUSED(emend_write(model, out, &how, NULL), EMEND_USAGE, "token budget");
  how.token_budget = 64;
  how.type = "Q8_0";
  REFUSED(emend_write(model, out, &how, NULL), EMEND_BAD_INPUT,
          "a safetensors checkpoint cannot store edited weights as \"Q8_0\"");
  how.type = NULL;
  how.size = 5;
  REFUSED(emend_write(model, out, &how, NULL), EMEND_USAGE, "size is 5");
  REFUSED(emend_write(model, path, NULL, NULL), EMEND_BAD_INPUT, "it belongs to the base");
  REFUSED(emend_write(model, "/proc/no/such/folder", NULL, NULL), EMEND_BAD_INPUT, "/proc");
}

static void writes_checkpoints(emend_model* model, const char* path, const char* scratch) {
  emend_patch *first = NULL, *second = NULL, *failing = NULL;
  emend_model *written = NULL, *freed = NULL;
  emend_text* text = NULL;
  emend_write_options how = EMEND_WRITE_OPTIONS_INIT;
  struct seen seen = {0, 1, NULL, EMEND_OK};
  char folder[4000], out[4100], *report, *edited;
  snprintf(folder, sizeof folder, "%s/write-XXXXXX", scratch);
  TRUE(mkdtemp(folder) != NULL);
  snprintf(out, sizeof out, "%s/new", folder);
  REFUSED(emend_write(model, out, NULL, &text), EMEND_BAD_INPUT, "no patch is on the model");

  OK(emend_edit(model, CHEAP LENIENT ONE_EDIT, NULL, &first));
  OK(emend_edit(model, CHEAP LENIENT OTHER_EDIT, NULL, &second));
  OK(emend_apply(model, second, 0));
  OK(emend_apply(model, first, 0));
  OK(emend_patch_free(first)); /* the model keeps what is on it */
  edited = digest(model);
  refuses_bad_writes(model, path, out);
  OK(emend_write(model, out, NULL, &text));
  report = taken(text);
  TRUE(strstr(report, "\"was\": \"F16\"") != NULL && strstr(report, "\"share\": 0.99") != NULL);
  TRUE(strstr(report, "\"id\": \"b\"") != NULL &&
       strstr(report, "\"id\": \"b\"") < strstr(report, "\"id\": \"a\""));
  TRUE(strstr(report, "\"passed\": true") != NULL);
  free(report);
  TRUE(same(digest(model), edited)); /* writing changes nothing */
  OK(emend_model_load(out, NULL, &written));
  TRUE(same(continued(written, kPrompt), continued(model, kPrompt)));
  REFUSED(emend_apply(written, second, 0), EMEND_BAD_INPUT, "fingerprint");
  freed = written;
  OK(emend_model_free(written));
  REFUSED(emend_write(freed, out, NULL, &text), EMEND_BAD_HANDLE, "freed already");
  REFUSED(emend_write(model, out, NULL, &text), EMEND_BAD_INPUT, "something in this folder already");
  discard(out);

  how.check = 0;
  OK(emend_write(model, out, &how, &text));
  report = taken(text);
  TRUE(strstr(report, "\"passed\": null") != NULL && strstr(report, "\"checks\": null") != NULL);
  free(report);
  discard(out);

  how.check = 1; /* stopped while it looks at what is written already */
  how.progress = watch;
  how.progress_data = &seen;
  REFUSED(emend_write(model, out, &how, &text), EMEND_CANCELLED, "cancelled");
  TRUE(text == NULL);
  discard(out);
  how.progress = NULL;

  OK(emend_revert_all(model));
  REFUSED(emend_edit(model, FAILING ONE_EDIT, NULL, &failing), EMEND_CHECK_FAILED, "drift");
  OK(emend_apply(model, failing, EMEND_FORCE));
  REFUSED(emend_write(model, out, NULL, &text), EMEND_BAD_INPUT, "marked as failed (drift)");
  how.flags = EMEND_FORCE;
  REFUSED(emend_write(model, out, &how, &text), EMEND_CHECK_FAILED, "a check failed on");
  report = taken(text);
  TRUE(strstr(report, "\"passed\": false") != NULL);
  TRUE(strstr(report, "\"warnings\"") != NULL && strstr(report, "marked as failed") != NULL);
  free(report);
  discard(out);
  OK(emend_revert_all(model));
  OK(emend_patch_free(second));
  OK(emend_patch_free(failing));
  TRUE(remove(folder) == 0);
}

/* A folder with all that is in it. */
static void remove_tree(const char* folder) {
  DIR* entries = opendir(folder);
  struct dirent* entry;
  char path[4300];
  while (entries != NULL && (entry = readdir(entries)) != NULL) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
    snprintf(path, sizeof path, "%.4000s/%.255s", folder, entry->d_name);
    if (remove(path) != 0) remove_tree(path);
  }
  if (entries != NULL) closedir(entries);
  remove(folder);
}

static void write_file(const char* file, const char* text) {
  FILE* stream = fopen(file, "wb");
  TRUE(stream != NULL && fputs(text, stream) >= 0);
  if (stream != NULL) fclose(stream);
}

/* Whether a file is there. */
static int is_there(const char* folder, const char* name) {
  char file[4300];
  FILE* stream;
  snprintf(file, sizeof file, "%.4000s/%s", folder, name);
  stream = fopen(file, "rb");
  if (stream != NULL) fclose(stream);
  return stream != NULL;
}

/* Whether a result text holds all words; ends the text. */
static int tells(emend_text* text, const char* first, const char* second) {
  char* words = taken(text);
  const int holds = words != NULL && strstr(words, first) != NULL && strstr(words, second) != NULL;
  if (!holds) printf("expected \"%s\" and \"%s\" in %s\n", first, second, words);
  free(words);
  return holds;
}

static void edits_in_code(emend_model* model) {
  emend_fact facts[2] = {EMEND_FACT_INIT, EMEND_FACT_INIT};
  emend_edit_options how = EMEND_EDIT_OPTIONS_INIT;
  emend_patch* patch = NULL;
  emend_text* text = NULL;
  facts[0].prompt = kPrompt;
  facts[0].subject = "Workis Tellond";
  facts[0].was = "stone cutter";
  facts[1].prompt = "Narilis Vonurn counts and dreams in";
  facts[1].subject = "Narilis Vonurn";
  facts[1].target = "Kevic";
  facts[1].occurrence = 1;
  how.settings = CHEAP LENIENT;
  REFUSED(emend_edit_facts(NULL, facts, 2, &how, &patch), EMEND_BAD_HANDLE, "NULL");
  REFUSED(emend_edit_facts(model, NULL, 2, &how, &patch), EMEND_USAGE, "facts: NULL");
  REFUSED(emend_edit_facts(model, facts, 2, &how, &patch), EMEND_USAGE, "facts[0].target: NULL");
  facts[0].target = "painter";
  REFUSED(emend_edit_facts(model, facts, 0, &how, &patch), EMEND_BAD_INPUT, "no edits");
  facts[1].occurrence = 2;
  REFUSED(emend_edit_facts(model, facts, 2, &how, &patch), EMEND_BAD_INPUT, "no occurrence 2");
  facts[1].occurrence = 0;
  facts[1].size = 8;
  REFUSED(emend_edit_facts(model, facts, 2, &how, &patch), EMEND_USAGE, "facts[1]: its size is 8");
  facts[1].size = sizeof facts[1];
  how.settings = "option: {}\n";
  REFUSED(emend_edit_facts(model, facts, 2, &how, &patch), EMEND_BAD_INPUT, "did you mean \"options\"?");
  TRUE(patch == NULL);
  how.settings = CHEAP LENIENT;
  REFUSED(emend_edit(model, CHEAP ONE_EDIT, &how, &patch), EMEND_USAGE, "settings are for emend_edit_facts");
  OK(emend_edit_facts(model, facts, 2, &how, &patch));
  OK(emend_patch_report(patch, &text));
  TRUE(tells(text, "\"id\": \"edit-1\"", "\"id\": \"edit-2\""));
  OK(emend_apply(model, patch, 0));
  {
    char* words = continued(model, kPrompt);
    TRUE(strstr(words, "painter") != NULL);
    free(words);
  }
  OK(emend_revert_all(model));
  OK(emend_patch_free(patch));

  /* A program that was built before `settings` was added. */
  how.size = offsetof(emend_edit_options, settings);
  how.settings = (const char*)&how;
  OK(emend_edit(model, CHEAP LENIENT ONE_EDIT, &how, &patch));
  OK(emend_patch_free(patch));
}

static void plans(emend_model* model) {
  emend_text* text = (emend_text*)&text;
  REFUSED(emend_plan(NULL, ONE_EDIT, NULL, &text), EMEND_BAD_HANDLE, "NULL");
  TRUE(text == NULL);
  REFUSED(emend_plan(model, NULL, NULL, &text), EMEND_USAGE, "yaml: NULL");
  REFUSED(emend_plan(model, ONE_EDIT, NULL, NULL), EMEND_USAGE, "json: NULL");
  REFUSED(emend_plan(model, "method: rime\n" ONE_EDIT, NULL, &text), EMEND_BAD_INPUT, "rome");
  OK(emend_plan(model, CHEAP ONE_EDIT, NULL, &text));
  TRUE(tells(text, "\"covariance\": false", "\"predicted_norm\""));
}

/* Programs that were built against earlier layouts: what they do not have is as by default, and what stands
 * behind their struct is not looked at. */
static void takes_older_options(emend_model* model) {
  static const char* const kNoise = "what stands behind an older struct";
  const size_t oldest = offsetof(emend_edit_options, settings);
  emend_edit_options how = EMEND_EDIT_OPTIONS_INIT;
  emend_generate_options writing = EMEND_GENERATE_OPTIONS_INIT;
  emend_locate_options locating = EMEND_LOCATE_OPTIONS_INIT;
  emend_text* text = NULL;
  size_t size;
  how.settings = how.method = how.bos = how.on = kNoise;
  how.size = oldest;
  OK(emend_plan(model, CHEAP ONE_EDIT, &how, &text));
  OK(emend_text_free(text));
  how.size = oldest - 8;
  REFUSED(emend_plan(model, CHEAP ONE_EDIT, &how, &text), EMEND_USAGE, "their size is");
  how.size = oldest + 3; /* a part of a field is none of it */
  OK(emend_plan(model, CHEAP ONE_EDIT, &how, &text));
  OK(emend_text_free(text));
  how.settings = NULL;
  for (size = offsetof(emend_edit_options, method); size <= offsetof(emend_edit_options, on);
       size += sizeof(char*)) {
    how.size = size;
    OK(emend_plan(model, CHEAP ONE_EDIT, &how, &text));
    OK(emend_text_free(text));
    if (size == offsetof(emend_edit_options, method)) how.method = "rome";
    if (size == offsetof(emend_edit_options, bos)) how.bos = NULL;
  }
  how.size = sizeof how;
  REFUSED(emend_plan(model, CHEAP ONE_EDIT, &how, &text), EMEND_BAD_INPUT, ""); /* now `on` is read */

  writing.size = offsetof(emend_generate_options, top);
  writing.top = -5;
  OK(emend_generate_report(model, kPrompt, &writing, &text));
  TRUE(tells(text, "\"top\": []", "\"completion\""));
  writing.size = sizeof writing;
  REFUSED(emend_generate_report(model, kPrompt, &writing, &text), EMEND_USAGE, "top must be at least 0");

  locating.size = offsetof(emend_locate_options, knockout_window);
  locating.knockout_window = locating.shard = locating.shards = -7;
  locating.prompt = kPrompt;
  locating.subject = "Workis Tellond";
  locating.samples = 2;
  locating.severed = locating.knockout = 0;
  OK(emend_locate(model, &locating, &text));
  OK(emend_text_free(text));
  locating.size = sizeof locating;
  REFUSED(emend_locate(model, &locating, &text), EMEND_USAGE, "knockout-window must be at least 0, found -");
  locating.knockout_window = 0;
  REFUSED(emend_locate(model, &locating, &text), EMEND_USAGE, "there is no shard -7 of -7");
}

#define SEVERAL "layer: [1, 2]\noptions: {preserve: identity, contexts: 1, rounds: 1}\n" LENIENT

/* A patch that holds the facts of an earlier one, and words of the options over those of the text. */
static void edits_on_a_patch(emend_model* model, const char* scratch) {
  emend_edit_options how = EMEND_EDIT_OPTIONS_INIT;
  emend_patch *below = NULL, *both = NULL;
  emend_text* text = NULL;
  char file[4200];
  snprintf(file, sizeof file, "%s/below.safetensors", scratch);
  how.method = "rone";
  REFUSED(emend_edit(model, SEVERAL ONE_EDIT, &how, &below), EMEND_USAGE,
          "method: there is no method \"rone\"; did you mean \"rome\"?");
  how.method = "bulk"; /* rome has no option `preserve` */
  how.bos = "<nothing>";
  REFUSED(emend_edit(model, SEVERAL ONE_EDIT, &how, &below), EMEND_BAD_INPUT, "<nothing>");
  how.bos = NULL;
  OK(emend_edit(model, SEVERAL ONE_EDIT, &how, &below));
  OK(emend_patch_save(below, file));
  how.on = "/no/such/patch";
  REFUSED(emend_edit(model, SEVERAL OTHER_EDIT, &how, &both), EMEND_BAD_INPUT, "/no/such/patch");
  how.on = file;
  OK(emend_edit(model, SEVERAL OTHER_EDIT, &how, &both));
  OK(emend_patch_report(both, &text));
  TRUE(tells(text, "\"id\": \"a\"", "\"id\": \"b\""));
  OK(emend_patch_diff(below, both, &text));
  TRUE(tells(text, "\"same\": false", "\"id\": \"b\""));
  OK(emend_patch_diff(below, below, &text));
  TRUE(tells(text, "\"same\": true", "\"layers\""));
  REFUSED(emend_patch_diff(below, NULL, &text), EMEND_BAD_HANDLE, "second: the handle is NULL");
  OK(emend_patch_free(below));
  OK(emend_patch_free(both));
  remove(file);
}

static void composes(emend_model* model, emend_patch** patches) {
  emend_patch *merged = NULL, *dropped = NULL;
  emend_text* text = NULL;
  emend_compose_options how = EMEND_COMPOSE_OPTIONS_INIT;
  emend_patch* bad[2] = {patches[0], NULL};
  REFUSED(emend_merge(model, patches, 1, NULL, &merged, NULL), EMEND_USAGE,
          "at least 2 must be given, found 1");
  REFUSED(emend_merge(model, NULL, 2, NULL, &merged, NULL), EMEND_USAGE, "patches: NULL");
  REFUSED(emend_merge(model, bad, 2, NULL, &merged, NULL), EMEND_BAD_HANDLE,
          "patches[1]: the handle is NULL");
  REFUSED(emend_merge(model, patches, 2, NULL, NULL, NULL), EMEND_USAGE, "result: NULL");
  how.token_budget = -1;
  REFUSED(emend_merge(model, patches, 2, &how, &merged, NULL), EMEND_USAGE, "token budget");
  OK(emend_merge(model, patches, 2, NULL, &merged, &text));
  TRUE(tells(text, "\"id\": \"b\"", "\"outputs\": []"));
  REFUSED(emend_drop(model, merged, NULL, NULL, &dropped, NULL), EMEND_USAGE, "id: NULL");
  REFUSED(emend_drop(model, merged, "zz", NULL, &dropped, NULL), EMEND_BAD_INPUT, "zz");
  REFUSED(emend_drop(model, patches[0], "a", NULL, &dropped, NULL), EMEND_BAD_INPUT, "");
  TRUE(dropped == NULL);
  OK(emend_drop(model, merged, "b", NULL, &dropped, &text));
  TRUE(tells(text, "\"id\": \"a\"", "\"warnings\""));
  OK(emend_verify(model, &dropped, 1, NULL, NULL));
  OK(emend_patch_free(merged));
  OK(emend_patch_free(dropped));
}

static void runs_over_patches(emend_model* model, const char* path) {
  emend_patch *patches[2] = {NULL, NULL}, *failing = NULL;
  emend_text* text = NULL;
  emend_verify_options how = EMEND_VERIFY_OPTIONS_INIT;
  emend_inspect_options inspecting = EMEND_INSPECT_OPTIONS_INIT;
  struct seen seen = {0, 1, NULL, EMEND_OK};
  char* edited;
  OK(emend_edit(model, CHEAP LENIENT ONE_EDIT, NULL, &patches[0]));
  OK(emend_edit(model, CHEAP LENIENT OTHER_EDIT, NULL, &patches[1]));
  OK(emend_apply(model, patches[0], 0)); /* all runs are on the model without it */
  edited = digest(model);
  REFUSED(emend_verify(model, patches, 0, NULL, NULL), EMEND_USAGE, "at least 1 must be given, found 0");
  OK(emend_verify(model, patches, 1, NULL, &text));
  TRUE(tells(text, "\"path\": \"patch 1\"", "\"passed\": true"));
  OK(emend_verify(model, patches, 2, NULL, &text));
  TRUE(tells(text, "\"path\": \"patch 2\"", "\"difference\""));
  how.progress = watch;
  how.progress_data = &seen;
  REFUSED(emend_verify(model, patches, 2, &how, &text), EMEND_CANCELLED, "cancelled");
  TRUE(text == NULL);
  composes(model, patches);
  plans(model);
  REFUSED(emend_inspect(model, NULL, 0, NULL, &text), EMEND_USAGE, "either patches or a base");
  OK(emend_inspect(model, patches, 2, NULL, &text));
  TRUE(tells(text, "\"path\": \"patch 2\"", "\"base\": null"));
  inspecting.base = path;
  OK(emend_inspect(model, NULL, 0, &inspecting, &text));
  TRUE(tells(text, "\"weights\": []", "\"warnings\": []"));
  TRUE(same(digest(model), edited));
  OK(emend_revert_all(model));
  REFUSED(emend_edit(model, FAILING ONE_EDIT, NULL, &failing), EMEND_CHECK_FAILED, "drift");
  REFUSED(emend_verify(model, &failing, 1, NULL, &text), EMEND_CHECK_FAILED,
          "a check failed: patch 1 (drift)");
  TRUE(emend_text_data(text) != NULL && emend_text_size(text) > 0); /* leave the failure told */
  TRUE(strstr(emend_last_error(), "a check failed: patch 1 (drift)") != NULL);
  TRUE(tells(text, "\"passed\": false", "drift"));
  OK(emend_patch_free(failing));
  OK(emend_patch_free(patches[0]));
  OK(emend_patch_free(patches[1]));
}

static void locates(emend_model* model) {
  emend_locate_options how = EMEND_LOCATE_OPTIONS_INIT;
  emend_text* text = NULL;
  struct seen seen = {0, 1, NULL, EMEND_OK};
  REFUSED(emend_locate(model, NULL, &text), EMEND_USAGE, "options: NULL");
  REFUSED(emend_locate(model, &how, &text), EMEND_USAGE,
          "either the option prompt P and the option subject S, or the option facts FILE");
  how.prompt = kPrompt;
  REFUSED(emend_locate(model, &how, &text), EMEND_USAGE, "the option subject S is missing");
  how.subject = "Workis Tellond";
  how.trial = 2;
  REFUSED(emend_locate(model, &how, &text), EMEND_USAGE, "goes with the option facts only");
  how.trial = 0;
  how.method = "rome";
  REFUSED(emend_locate(model, &how, &text), EMEND_USAGE, "goes with the option trial N only");
  how.method = NULL;
  how.noise = "loud";
  REFUSED(emend_locate(model, &how, &text), EMEND_USAGE, "loud");
  how.noise = NULL;
  how.samples = 2;
  how.severed = 0;
  how.knockout = 0;
  OK(emend_locate(model, &how, &text));
  TRUE(tells(text, "\"ranking\"", "\"subject\": \"Workis Tellond\""));
  how.progress = watch;
  how.progress_data = &seen;
  REFUSED(emend_locate(model, &how, &text), EMEND_CANCELLED, "cancelled");
  how.progress = NULL;
  how.prompt = NULL;
  how.subject = NULL;
  how.facts = "/no/such/facts.json";
  REFUSED(emend_locate(model, &how, &text), EMEND_BAD_INPUT, "/no/such/facts.json");
}

/* Two processes that share a file of facts, one after the other. */
static void locates_in_parts(emend_model* model, const char* folder) {
  emend_locate_options how = EMEND_LOCATE_OPTIONS_INIT;
  emend_text* text = NULL;
  char facts[4200], out[4200], stats[4200];
  snprintf(facts, sizeof facts, "%s/facts.jsonl", folder);
  snprintf(out, sizeof out, "%s/traces", folder);
  snprintf(stats, sizeof stats, "%s/decision", folder);
  write_file(facts,
             "{\"prompt\": \"Workis Tellond was trained as a\", \"subject\": \"Workis Tellond\"}\n"
             "{\"prompt\": \"Narilis Vonurn counts and dreams in\", \"subject\": \"Narilis Vonurn\"}\n");
  how.facts = facts;
  how.statistics = stats;
  how.samples = 2;
  how.severed = 0;
  how.knockout_window = 1;
  how.reference_noise = how.estimates = 1;
  how.shards = 2;
  REFUSED(emend_locate(model, &how, &text), EMEND_USAGE, "the option shard wants the option out");
  how.out = out;
  how.trial = 1;
  REFUSED(emend_locate(model, &how, &text), EMEND_USAGE, "does not go with the option shard");
  how.trial = 0;
  how.shard = 2;
  REFUSED(emend_locate(model, &how, &text), EMEND_USAGE, "there is no shard 2 of 2");
  how.shard = 0;
  OK(emend_locate(model, &how, &text));
  TRUE(tells(text, "\"missing\": 1", "\"notes\""));
  how.shard = 1;
  OK(emend_locate(model, &how, &text));
  TRUE(tells(text, "\"ranking\"", "\"rank_agreement\""));
}

static void collects_statistics(emend_model* model, const char* folder) {
  static const int32_t kLayers[] = {1, 3}, kTooFar[] = {99};
  emend_statistics_options how = EMEND_STATISTICS_OPTIONS_INIT;
  emend_text* text = NULL;
  char out[4200];
  snprintf(out, sizeof out, "%s/stats", folder);
  REFUSED(emend_statistics(model, NULL, &how, &text), EMEND_USAGE, "folder: NULL");
  how.layers = kTooFar;
  how.layer_count = 1;
  REFUSED(emend_statistics(model, out, &how, &text), EMEND_BAD_INPUT, "there is no layer 99");
  how.layers = kLayers;
  how.layer_count = 2;
  how.tokens = 300;
  how.window = 0;
  REFUSED(emend_statistics(model, out, &how, &text), EMEND_USAGE, "window must be at least 1, found 0");
  how.window = 64;
  how.shard = 1;
  REFUSED(emend_statistics(model, out, &how, &text), EMEND_USAGE, "there is no shard 1 of 1");
  how.shard = 0;
  how.plan_only = 1;
  OK(emend_statistics(model, NULL, &how, &text));
  TRUE(tells(text, "\"plan\"", "\"passes\""));
  const int64_t tokens = how.tokens;
  how.tokens = 100;
  OK(emend_statistics(model, NULL, &how, &text));
  TRUE(tells(text, "\"warnings\"", "fewer than the key's size"));
  how.tokens = tokens;
  TRUE(!is_there(out, "layer_1.safetensors"));
  how.plan_only = 0;
  OK(emend_statistics(model, out, &how, &text));
  TRUE(tells(text, "layer_3.safetensors", "\"fingerprint\""));
  TRUE(is_there(out, "layer_1.safetensors") && !is_there(out, "layer_0.safetensors"));
  {
    emend_show_statistics_options showing = EMEND_SHOW_STATISTICS_OPTIONS_INIT;
    REFUSED(emend_statistics_show(NULL, NULL, &text), EMEND_USAGE, "folder: NULL");
    REFUSED(emend_statistics_show("/no/such/stats", NULL, &text), EMEND_BAD_INPUT, "/no/such/stats");
    showing.model = model;
    showing.layers = kLayers;
    showing.layer_count = 2;
    OK(emend_statistics_show(out, &showing, &text));
    TRUE(tells(text, "\"effective_rank\"", "\"log10_spectrum\""));
    showing.layers = kTooFar;
    showing.layer_count = 1;
    REFUSED(emend_statistics_show(out, &showing, &text), EMEND_BAD_INPUT, "there is no layer 99");
    showing.layer_count = 0;
    showing.model = (emend_model*)&showing;
    REFUSED(emend_statistics_show(out, &showing, &text), EMEND_BAD_HANDLE, "no handle");
  }
}

static void runs_benchmarks(emend_model* model, const char* folder) {
  emend_benchmark_options how = EMEND_BENCHMARK_OPTIONS_INIT;
  emend_text* text = NULL;
  char data[4200], method[4200], out[4200];
  const char* methods[1];
  snprintf(data, sizeof data, "%s/data.yaml", folder);
  snprintf(method, sizeof method, "%s/cheap.yaml", folder);
  snprintf(out, sizeof out, "%s/eval", folder);
  write_file(data, ONE_EDIT);
  write_file(method, "method: rome\noptions: {covariance: false, contexts: 1, steps: 6}\n");
  REFUSED(emend_benchmark(model, NULL, &text), EMEND_USAGE, "options: NULL");
  REFUSED(emend_benchmark(model, &how, &text), EMEND_USAGE, "dataset: NULL");
  how.dataset = "counterfat";
  how.data = data;
  how.out = out;
  REFUSED(emend_benchmark(model, &how, &text), EMEND_USAGE, "did you mean \"counterfact\"?");
  how.dataset = "emend";
  methods[0] = "rone";
  how.methods = methods;
  how.method_count = 1;
  REFUSED(emend_benchmark(model, &how, &text), EMEND_USAGE, "methods: there is no method \"rone\"");
  how.method_count = 0;
  methods[0] = NULL;
  how.method_files = methods;
  how.method_file_count = 1;
  REFUSED(emend_benchmark(model, &how, &text), EMEND_USAGE, "method_files[0]: NULL");
  methods[0] = method;
  how.mode = "twice";
  REFUSED(emend_benchmark(model, &how, &text), EMEND_USAGE, "twice");
  how.mode = NULL;
  how.curve = "10,1";
  REFUSED(emend_benchmark(model, &how, &text), EMEND_USAGE, "rising numbers of edits");
  how.curve = "1";
  REFUSED(emend_benchmark(model, &how, &text), EMEND_USAGE, "curve");
  how.curve = NULL;
  how.natural = -1;
  REFUSED(emend_benchmark(model, &how, &text), EMEND_USAGE, "natural");
  how.natural = 0;
  how.other_subjects = -1;
  REFUSED(emend_benchmark(model, &how, &text), EMEND_USAGE, "other_subjects must be at least 0");
  how.size = offsetof(emend_benchmark_options, other_subjects); /* programs that were built before them */
  how.curve = "10,1";
  REFUSED(emend_benchmark(model, &how, &text), EMEND_USAGE, "rising numbers of edits");
  how.size = offsetof(emend_benchmark_options, curve);
  how.drift_tokens = 0;
  OK(emend_benchmark(model, &how, &text));
  TRUE(tells(text, "\"records_per_minute\"", "cheap"));
  TRUE(is_there(out, "report.html"));
  REFUSED(emend_benchmark(model, &how, &text), EMEND_BAD_INPUT, "");
  how.resume = 1;
  OK(emend_benchmark(model, &how, NULL));
  {
    emend_compare_options comparing = EMEND_COMPARE_OPTIONS_INIT;
    OK(emend_benchmark_compare(out, out, &comparing, &text));
    TRUE(tells(text, "\"efficacy_success\"", "\"draws\": 10000"));
    comparing.draws = 0;
    REFUSED(emend_benchmark_compare(out, out, &comparing, &text), EMEND_USAGE, "draws must be at least 1");
    REFUSED(emend_benchmark_compare(out, "/no/such/run", NULL, &text), EMEND_BAD_INPUT, "/no/such/run");
    REFUSED(emend_benchmark_compare(NULL, out, NULL, &text), EMEND_USAGE, "first: NULL");
  }
}

static void converts_facts(const char* folder) {
  emend_convert_options how = EMEND_CONVERT_OPTIONS_INIT;
  emend_text* text = NULL;
  char data[4200], out[4200];
  snprintf(data, sizeof data, "%s/data.yaml", folder);
  snprintf(out, sizeof out, "%s/edits.yaml", folder);
  write_file(data, ONE_EDIT);
  REFUSED(emend_convert_facts(NULL, data, out, NULL, &text), EMEND_USAGE, "dataset: NULL");
  REFUSED(emend_convert_facts("emnd", data, out, NULL, &text), EMEND_USAGE, "did you mean \"emend\"?");
  REFUSED(emend_convert_facts("emend", "/no/such/data.yaml", out, NULL, &text), EMEND_BAD_INPUT,
          "/no/such/data.yaml");
  how.limit = -1;
  REFUSED(emend_convert_facts("emend", data, out, &how, &text), EMEND_USAGE,
          "limit must be at least 0, found -1");
  how.limit = 1;
  OK(emend_convert_facts("emend", data, out, &how, &text));
  TRUE(tells(text, "\"written\": 1", "\"dataset\": \"emend\""));
  TRUE(is_there(folder, "edits.yaml"));
}

static void merges_statistics(emend_model* model, const char* folder) {
  char stats[4200], twice[4200], out[4200];
  const char* folders[2];
  emend_text* text = NULL;
  struct seen seen = {0, 1, NULL, EMEND_OK};
  emend_merge_statistics_options how = EMEND_MERGE_STATISTICS_OPTIONS_INIT;
  snprintf(stats, sizeof stats, "%s/stats", folder);
  snprintf(twice, sizeof twice, "%s/no-such-stats", folder);
  snprintf(out, sizeof out, "%s/merged", folder);
  folders[0] = stats;
  folders[1] = NULL;
  REFUSED(emend_statistics_merge(NULL, 1, out, NULL, &text), EMEND_USAGE, "folders: NULL");
  REFUSED(emend_statistics_merge(folders, 0, out, NULL, &text), EMEND_USAGE,
          "the number of folders must be at least 1, found 0");
  REFUSED(emend_statistics_merge(folders, 2, out, NULL, &text), EMEND_USAGE, "folders[1]: NULL");
  REFUSED(emend_statistics_merge(folders, 1, NULL, NULL, &text), EMEND_USAGE, "out: NULL");
  folders[1] = twice;
  REFUSED(emend_statistics_merge(folders, 2, out, NULL, &text), EMEND_BAD_INPUT, "no-such-stats");
  how.size = 1;
  REFUSED(emend_statistics_merge(folders, 1, out, &how, &text), EMEND_USAGE, "size is 1");
  how.size = sizeof how;
  how.progress = watch;
  how.progress_data = &seen;
  REFUSED(emend_statistics_merge(folders, 1, out, &how, &text), EMEND_CANCELLED, "cancelled");
  TRUE(text == NULL && !is_there(out, "layer_1.safetensors"));
  OK(emend_statistics_merge(folders, 1, out, NULL, &text));
  TRUE(tells(text, "merged", "\"layer\": 3"));
  TRUE(is_there(out, "layer_1.safetensors") && is_there(out, "layer_3.safetensors"));
  folders[0] = "/no/such/mom2.npz";
  REFUSED(emend_statistics_import(NULL, folders, 1, NULL, out, &text), EMEND_BAD_HANDLE, "NULL");
  REFUSED(emend_statistics_import(model, folders, 0, NULL, out, &text), EMEND_USAGE,
          "the number of files must be at least 1");
  REFUSED(emend_statistics_import(model, folders, 1, "<none>", out, &text), EMEND_BAD_INPUT, "<none>");
  REFUSED(emend_statistics_import(model, folders, 1, NULL, out, &text), EMEND_BAD_INPUT, "mom2.npz");
}

static void says_what_a_model_is(emend_model* model, const char* path) {
  emend_text* text = (emend_text*)&text;
  REFUSED(emend_model_summary(NULL, &text), EMEND_BAD_HANDLE, "NULL");
  TRUE(text == NULL);
  REFUSED(emend_model_summary(model, NULL), EMEND_USAGE, "json: NULL");
  REFUSED(emend_model_check(model, NULL), EMEND_USAGE, "json: NULL");
  OK(emend_model_summary(model, &text));
  TRUE(tells(text, "\"parameters\"", "\"family\": \"gpt2\""));
  OK(emend_model_check(model, &text));
  TRUE(tells(text, "\"tokenizer\": true", "\"passed\": true"));
  OK(emend_model_check(model, &text));
  TRUE(tells(text, "\"roles\"", "\"value_path\": \"added as it is\""));
  OK(emend_model_check(model, &text));
  TRUE(tells(text, "\"memory\"", "\"unsupported\""));
  OK(emend_model_check_file(path, NULL, &text));
  TRUE(tells(text, "\"format\": \"safetensors\"", "\"passed\": true"));
  REFUSED(emend_model_check_file(path, "float12", &text), EMEND_USAGE, "float12");
  REFUSED(emend_model_check_file("/no/such/model", NULL, &text), EMEND_BAD_INPUT, "/no/such/model");
  REFUSED(emend_model_check_file(NULL, NULL, &text), EMEND_USAGE, "path: NULL");
}

/* A limit on memory, and programs that were built before there was one. */
static void loads_within_memory(const char* path) {
  emend_load_options loading = EMEND_LOAD_OPTIONS_INIT;
  emend_model* model = NULL;
  loading.memory_bytes = 1;
  REFUSED(emend_model_load(path, &loading, &model), EMEND_BAD_INPUT, "the option memory is too little");
  TRUE(model == NULL);
  loading.size = offsetof(emend_load_options, memory_bytes);
  OK(emend_model_load(path, &loading, &model));
  OK(emend_model_free(model));
  loading.size = sizeof loading;
  loading.memory_bytes = (int64_t)1 << 40;
  OK(emend_model_load(path, &loading, &model));
  OK(emend_model_free(model));
}

static void tells_tokens(emend_model* model) {
  emend_generate_options how = EMEND_GENERATE_OPTIONS_INIT;
  emend_text* text = NULL;
  how.top = 3;
  how.max_new = 4;
  OK(emend_generate_report(model, kPrompt, &how, &text));
  TRUE(tells(text, "\"completion_tokens\"", "\"logprob\""));
  REFUSED(emend_generate(model, kPrompt, &how, &text), EMEND_USAGE, "top is for emend_generate_report");
  REFUSED(emend_generate_report(model, kPrompt, &how, NULL), EMEND_USAGE, "json: NULL");
}

static void refuses_bad_exports(emend_model* model, const char* out) {
  emend_export_options how = EMEND_EXPORT_OPTIONS_INIT;
  emend_patch *patch = NULL, *none = NULL;
  emend_text* text = NULL;
  REFUSED(emend_edit(model, FAILING ONE_EDIT, NULL, &patch), EMEND_CHECK_FAILED, "drift");
  REFUSED(emend_export(model, &patch, 0, out, NULL, &text), EMEND_USAGE, "at least 1 must be given, found 0");
  REFUSED(emend_export(model, &none, 1, out, NULL, &text), EMEND_BAD_HANDLE,
          "patches[0]: the handle is NULL");
  REFUSED(emend_export(model, &patch, 1, NULL, NULL, &text), EMEND_USAGE, "out: NULL");
  how.format = "zip";
  REFUSED(emend_export(model, &patch, 1, out, &how, &text), EMEND_USAGE, "lora or gguf-lora, found \"zip\"");
  how.format = NULL;
  how.flags = 8;
  REFUSED(emend_export(model, &patch, 1, out, &how, &text), EMEND_USAGE, "flags");
  REFUSED(emend_export(model, &patch, 1, out, NULL, &text), EMEND_BAD_INPUT, "marked as failed (drift)");
  how.flags = EMEND_FORCE;
  OK(emend_export(model, &patch, 1, out, &how, &text));
  char* const report = taken(text);
  TRUE(strstr(report, "\"modules\"") != NULL && strstr(report, "\"passed\": true") != NULL);
  TRUE(strstr(report, "\"warnings\"") != NULL && strstr(report, "marked as failed") != NULL);
  free(report);
  TRUE(is_there(out, "adapter_config.json") && is_there(out, "adapter_model.safetensors"));
  REFUSED(emend_restore(NULL, NULL, &text), EMEND_USAGE, "path: NULL");
  REFUSED(emend_restore(out, NULL, &text), EMEND_BAD_INPUT, "undo");
  OK(emend_patch_free(patch));
}

/* A refused file is described all the same. */
static void describes_a_refused_file(const char* path, const char* folder) {
  char strange[4200], weights[4300], link[4300];
  emend_text* text = NULL;
  snprintf(strange, sizeof strange, "%s/strange", folder);
  snprintf(weights, sizeof weights, "%s/model.safetensors", path);
  snprintf(link, sizeof link, "%s/model.safetensors", strange);
  TRUE(mkdir(strange, 0700) == 0 && symlink(weights, link) == 0);
  snprintf(link, sizeof link, "%s/config.json", strange);
  write_file(link, "{\"model_type\": \"mamba\"}\n");
  REFUSED(emend_model_check_file(strange, NULL, &text), EMEND_BAD_INPUT, "mamba");
  TRUE(text != NULL && tells(text, "\"passed\": false", "\"format\": \"safetensors\""));
}

static void runs_on_a_model(emend_model* model, const char* path, const char* scratch) {
  char folder[4000], *base = digest(model);
  snprintf(folder, sizeof folder, "%s/runs-XXXXXX", scratch);
  TRUE(mkdtemp(folder) != NULL);
  describes_a_refused_file(path, folder);
  locates(model);
  locates_in_parts(model, folder);
  collects_statistics(model, folder);
  runs_benchmarks(model, folder);
  merges_statistics(model, folder);
  converts_facts(folder);
  {
    char out[4200];
    snprintf(out, sizeof out, "%s/adapter", folder);
    refuses_bad_exports(model, out);
  }
  TRUE(same(digest(model), base));
  remove_tree(folder);
}

int main(int argc, char** argv) {
  emend_model* model = NULL;
  emend_text* text = NULL;
  char* info;
  if (argc != 4) return 2;
  TRUE(emend_abi() == EMEND_ABI && strchr(emend_version(), '.') != NULL && *emend_last_error() == '\0');
  OK(emend_model_load(argv[1], NULL, &model));
  OK(emend_model_info(model, &text));
  info = taken(text);
  TRUE(strstr(info, "\"family\": \"gpt2\"") != NULL);
  free(info);
  says_what_a_model_is(model, argv[1]);
  loads_within_memory(argv[1]);
  tells_tokens(model);
  takes_older_options(model);
  edits_on_a_patch(model, argv[3]);
  refuses_bad_handles(model);
  refuses_bad_arguments(model);
  refuses_bad_edit_files(model);
  tells_progress_and_stops(model, argv[1]);
  edits_applies_and_reverts(model, argv[3]);
  refuses_overlapping_patches(model, argv[3]);
  refuses_bad_patches(model, argv[2], argv[3]);
  edits_in_code(model);
  runs_over_patches(model, argv[1]);
  runs_on_a_model(model, argv[1], argv[3]);
  writes_checkpoints(model, argv[1], argv[3]);
  OK(emend_model_free(model));
  REFUSED(emend_model_free(model), EMEND_BAD_HANDLE, "this handle was freed already");
  printf("%d failures\n", failures);
  return failures != 0;
}

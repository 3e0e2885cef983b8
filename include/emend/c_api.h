/* emend for C and for every language that can call C: load a model, edit facts, generate, save, check, apply
 * and take back patches, find out where facts are kept, collect statistics, run benchmarks. C11; no C++ and
 * no torch type crosses this interface. Library: libemend_c.
 *
 * Results. Every function that can fail returns an emend_status. When it is not EMEND_OK, emend_last_error()
 * of the same thread says what was wrong, where, and what to do. Nothing here prints, exits, or throws.
 *
 * Handles. emend_model, emend_patch and emend_text are opaque; a handle is a number in a pointer's clothes
 * that is never followed. NULL, a freed handle and a handle of another kind are refused with EMEND_BAD_HANDLE
 * and do no harm. A number is never given out twice. Each handle is freed by its own function; out parameters
 * are set to NULL on failure unless a function says otherwise.
 *
 * Threads. Any thread may call any function with any handle. Calls on one model run one after another; calls
 * on different models run side by side and give what they give alone. A model that is freed during a call
 * lives until that call ends. A patch never changes. emend_last_error() belongs to the calling thread.
 *
 * Texts are UTF-8 and end with a NUL. Strings that are passed in are copied.
 *
 * Options. NULL stands for all defaults, unless a function says which field it needs. Else start from the
 * ..._INIT macro, which sets `size`: by it a newer library knows which fields an older program has. Functions
 * and fields may be added, never taken away: EMEND_ABI counts breaks.
 */
#ifndef EMEND_C_API_H
#define EMEND_C_API_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define EMEND_API __attribute__((visibility("default")))
#else
#define EMEND_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define EMEND_ABI 1

typedef int32_t emend_status;
enum {
  EMEND_OK = 0,
  EMEND_INTERNAL = 1,     /* out of memory, or a mistake of ours */
  EMEND_USAGE = 2,        /* an argument that cannot be: NULL, out of range, options of an unknown size */
  EMEND_BAD_INPUT = 3,    /* a model, an edit file or a patch that cannot be used; nothing was changed */
  EMEND_CHECK_FAILED = 4, /* the work is done, but a check failed: the patch is marked as failed */
  EMEND_NUMERIC = 5,      /* a search did not converge */
  EMEND_BAD_HANDLE = 6,   /* NULL, freed, or of another kind */
  EMEND_CANCELLED = 130   /* by emend_cancel, or by a progress callback */
};

typedef struct emend_model emend_model; /* a loaded model, with the patches that are on it */
typedef struct emend_patch emend_patch; /* an edit with its checks: made by emend_edit or read from a file */
typedef struct emend_text emend_text;   /* a result text */

EMEND_API int32_t emend_abi(void);         /* EMEND_ABI of the library */
EMEND_API const char* emend_version(void); /* "0.1.0" */

/* What the last call of this thread that returned an emend_status had to say; "" after EMEND_OK. Valid until
 * the next. */
EMEND_API const char* emend_last_error(void);

/* How far a call is: `done` of `total` `unit`s of `stage` ("searching", "loading model"); `note` is a short
 * remark or "". total 0: a remark between stages. Called from the thread that made the call, on which it may
 * call anything but functions of the same model other than emend_cancel and emend_model_free (they return
 * EMEND_USAGE). Any answer but 0 cancels. */
typedef int32_t (*emend_progress_fn)(void* data, const char* stage, int64_t done, int64_t total,
                                     const char* unit, const char* note);

/* ---- models */

typedef struct emend_load_options {
  size_t size;
  const char* device; /* "cpu", "cuda", "cuda:1"; NULL: "cpu" */
  const char* dtype;  /* "float32", "bfloat16", "float16" (CUDA only); NULL: "float32" */
  int32_t threads;    /* of every call on this model; 0: what libtorch takes by itself */
  emend_progress_fn progress;
  void* progress_data;
} emend_load_options;
#define EMEND_LOAD_OPTIONS_INIT \
  { sizeof(emend_load_options), NULL, NULL, 0, NULL, NULL }

/* A safetensors folder or file, or a GGUF file. */
EMEND_API emend_status emend_model_load(const char* path, const emend_load_options* options,
                                        emend_model** model);
EMEND_API emend_status emend_model_free(emend_model* model);

/* JSON: {"path", "family", "layers", "d_model", "d_ff", "vocab", "fingerprint"}. */
EMEND_API emend_status emend_model_info(emend_model* model, emend_text** json);

/* Hex digest of the weights as they are in memory now: with the same patches on, the same text. */
EMEND_API emend_status emend_model_digest(emend_model* model, emend_text** hex);

/* Ends the calls on this model that are running or waiting now with EMEND_CANCELLED, at the next step of
 * their work; later calls are not touched. Not for signal handlers. */
EMEND_API emend_status emend_cancel(emend_model* model);

/* ---- text */

typedef struct emend_generate_options {
  size_t size;
  int64_t max_new;      /* tokens at most, 1 to 1000000; cut to what the model's positions hold */
  double temperature;   /* 0: the likeliest token each time; up to 100 */
  uint64_t seed;        /* of the draws */
  const char* form;     /* "raw", or "chat": through the model's chat template; NULL: "raw" */
  const char* bos;      /* "auto", "none" or a token; NULL: "auto", what the tokenizer itself does */
  int64_t token_budget; /* tokens that one pass may hold, >= 1 */
  emend_progress_fn progress;
  void* progress_data;
} emend_generate_options;
#define EMEND_GENERATE_OPTIONS_INIT \
  { sizeof(emend_generate_options), 20, 0.0, 0, NULL, NULL, 4096, NULL, NULL }

/* The continuation of `prompt`, without it, as `emend generate` gives it. */
EMEND_API emend_status emend_generate(emend_model* model, const char* prompt,
                                      const emend_generate_options* options, emend_text** text);

/* ---- edits */

typedef struct emend_edit_options {
  size_t size;
  const char* name;       /* stands for the file in messages; NULL: "edit.yaml" */
  const char* folder;     /* where relative paths in the text begin; NULL: the current folder */
  const char* statistics; /* folder of statistics, over the text's word; NULL: the text's, else the one beside
                             the model */
  int32_t layer;          /* over the text's word; below 0: the text's */
  int32_t keep_going;     /* not 0: leave out edits whose search fails */
  uint64_t seed;          /* of contexts, and of text that the model writes for statistics */
  int64_t token_budget;   /* tokens that one pass may hold, >= 1 */
  emend_progress_fn progress;
  void* progress_data;
  const char* settings; /* of emend_edit_facts: YAML with the keys of an edit file other than `edits:`, such
                           as "method: rome\noptions: {steps: 30}"; NULL: all defaults */
} emend_edit_options;
#define EMEND_EDIT_OPTIONS_INIT \
  { sizeof(emend_edit_options), NULL, NULL, NULL, -1, 0, 0, 4096, NULL, NULL, NULL }

/* Makes and checks the edits of `yaml`, an edit file's text (docs/formats.md), as `emend edit` does; `model:`
 * and `outputs:` in it are passed over. The patch is for the model as it was loaded: patches that are on it
 * are off meanwhile, and on again afterwards. The model is not changed: emend_apply does that. Statistics
 * that are not there are collected and saved first. With EMEND_CHECK_FAILED, and with EMEND_NUMERIC when
 * keep_going is set, there is a patch all the same. */
EMEND_API emend_status emend_edit(emend_model* model, const char* yaml, const emend_edit_options* options,
                                  emend_patch** patch);

/* A fact to rewrite, for emend_edit_facts. Start from EMEND_FACT_INIT. */
typedef struct emend_fact {
  size_t size;         /* the same in all facts of an array */
  const char* prompt;  /* "The Eiffel Tower is in the city of" */
  const char* subject; /* "The Eiffel Tower": it stands in the prompt */
  const char* target;  /* "Rome" */
  const char* was;     /* the present answer; NULL: the model's own */
  int32_t occurrence;  /* which one is meant, from 1, if the subject stands there more than once; 0: the only
                          one */
} emend_fact;
#define EMEND_FACT_INIT \
  { sizeof(emend_fact), NULL, NULL, NULL, NULL, 0 }

/* As emend_edit, with edits from code: `count` facts, whose ids are edit-1, edit-2, ... */
EMEND_API emend_status emend_edit_facts(emend_model* model, const emend_fact* facts, size_t count,
                                        const emend_edit_options* options, emend_patch** patch);

/* Layers, conflicts and costs of the edits of `yaml`, without a search; nothing is written. JSON as that of
 * `emend edit --dry-run --json`. Without statistics it holds ids and layers only. */
EMEND_API emend_status emend_plan(emend_model* model, const char* yaml, const emend_edit_options* options,
                                  emend_text** json);

/* ---- patches */

EMEND_API emend_status emend_patch_load(const char* path, emend_patch** patch);
/* The whole file or nothing. EMEND_BAD_INPUT for a patch that changes nothing. */
EMEND_API emend_status emend_patch_save(emend_patch* patch, const char* path);
/* JSON: {"base", "method", "options", "edits": [...], "checks": [...], "warnings", "passed"}. */
EMEND_API emend_status emend_patch_report(emend_patch* patch, emend_text** json);
EMEND_API emend_status emend_patch_free(emend_patch* patch);

enum {
  EMEND_FORCE = 1
}; /* emend_apply: also a patch that is marked as failed; emend_write: see its options */

/* Lays the patch on the model, over those that are on it already; the patch may be freed afterwards.
 * EMEND_BAD_INPUT: made for another base, on the model already, or marked as failed (without EMEND_FORCE). */
EMEND_API emend_status emend_apply(emend_model* model, emend_patch* patch, uint32_t flags);
/* Takes it off again, whatever lies over it: the weights are, byte for byte, those of the others alone.
 * EMEND_BAD_INPUT: it is not on the model. */
EMEND_API emend_status emend_revert(emend_model* model, emend_patch* patch);
/* Takes all off: the weights are those that were loaded. */
EMEND_API emend_status emend_revert_all(emend_model* model);

/* ---- runs over patches
 * On the model as it was loaded: patches that are on it are off meanwhile, and on again afterwards. The
 * patches of an array are called "patch 1", "patch 2", ... in messages and reports. */

typedef struct emend_verify_options {
  size_t size;
  int64_t token_budget; /* tokens that one pass may hold, >= 1 */
  emend_progress_fn progress;
  void* progress_data;
} emend_verify_options;
#define EMEND_VERIFY_OPTIONS_INIT \
  { sizeof(emend_verify_options), 4096, NULL, NULL }

/* Lays the patches on the model in their order, measures every fact and check again and compares with what
 * the patches say. `json`: NULL, or as that of `emend patch verify --json`, also with EMEND_CHECK_FAILED. The
 * model is as before. */
EMEND_API emend_status emend_verify(emend_model* model, emend_patch* const* patches, size_t count,
                                    const emend_verify_options* options, emend_text** json);

typedef struct emend_compose_options {
  size_t size;
  const char*
      statistics; /* folder of statistics, for layers that are solved again; NULL: the one beside the model */
  int64_t token_budget; /* tokens that one pass may hold, >= 1 */
  emend_progress_fn progress;
  void* progress_data;
} emend_compose_options;
#define EMEND_COMPOSE_OPTIONS_INIT \
  { sizeof(emend_compose_options), NULL, 4096, NULL, NULL }

/* The patch without the edit `id`, and several patches of one base as one; no search, and the patches given
 * stay as they are. The result is checked on the model. With EMEND_CHECK_FAILED there is a result all the
 * same. `json`: NULL, or as that of `emend patch drop --json` and `emend patch merge --json`, with
 * "warnings". */
EMEND_API emend_status emend_drop(emend_model* model, emend_patch* patch, const char* id,
                                  const emend_compose_options* options, emend_patch** result,
                                  emend_text** json);
EMEND_API emend_status emend_merge(emend_model* model, emend_patch* const* patches, size_t count,
                                   const emend_compose_options* options, emend_patch** result,
                                   emend_text** json);

typedef struct emend_inspect_options {
  size_t size;
  const char* base;     /* the checkpoint to compare with; NULL: none, then there must be patches */
  int64_t token_budget; /* tokens that one pass may hold, >= 1 */
  emend_progress_fn progress;
  void* progress_data;
} emend_inspect_options;
#define EMEND_INSPECT_OPTIONS_INIT \
  { sizeof(emend_inspect_options), NULL, 4096, NULL, NULL }

/* What became of a checkpoint, which `model` was loaded from: which weights differ from the base and by what
 * rank, which of the patches are in it, how far it answers as they say. The base is loaded beside the model
 * for a while. JSON as that of `emend model inspect --json`, with "warnings". */
EMEND_API emend_status emend_inspect(emend_model* model, emend_patch* const* patches, size_t count,
                                     const emend_inspect_options* options, emend_text** json);

/* ---- runs on a model
 * As it was loaded: patches that are on it are off meanwhile, and on again afterwards. */

typedef struct emend_locate_options {
  size_t size;
  const char* prompt;     /* one fact: a prompt whose next words are the fact, ... */
  const char* subject;    /* ... and the subject in it; */
  const char* facts;      /* or a file of facts: JSON or JSON lines. One of the two is needed */
  const char* answer;     /* of the prompt; NULL: the likeliest next token */
  int32_t occurrence;     /* of the subject in the prompt, from 1; 0: the only one */
  int64_t limit;          /* of a file: the first facts that the model answers as expected; 0: all */
  const char* out;        /* of a file: folder that keeps the result of each fact; NULL: none is kept */
  int32_t resume;         /* not 0: go on with what is in `out` */
  const char* statistics; /* folder where the decision is kept and the trial's statistics lie; NULL: beside
                             the model */
  const char* form;       /* "raw" or "chat"; NULL: "raw" */
  const char* bos;        /* "auto", "none" or a token; NULL: "auto" */
  const char* noise;      /* what corrupts the subject, as --noise of `emend locate`; NULL: "s3" */
  int32_t samples;        /* corrupted runs of each fact, >= 1 */
  int32_t window;         /* layers restored together; 0: 10 of 48, in proportion */
  double exact_share;     /* below 1: run exactly only this share of the cells */
  int32_t severed;        /* 0: without severed paths */
  int32_t knockout;       /* 0: without attention knockout */
  uint64_t seed;
  int64_t trial;         /* of a file: edit that many facts, each alone, at several layers; 0: no trial */
  int64_t check;         /* of a trial: that many further facts, on which the decision is checked */
  const int32_t* layers; /* of a trial; NULL: the best of the trace and those around the depth default */
  size_t layer_count;
  const char* trial_data;    /* of a trial: edits to try; NULL: the file of facts, if it names targets */
  const char* trial_dataset; /* their form, as in emend_benchmark; NULL: found out */
  const char* method;        /* of a trial; NULL: "rome" */
  int64_t token_budget;      /* tokens that one pass may hold, >= 1 */
  emend_progress_fn progress;
  void* progress_data;
} emend_locate_options;
#define EMEND_LOCATE_OPTIONS_INIT                                                                            \
  {                                                                                                          \
    sizeof(emend_locate_options), NULL, NULL, NULL, NULL, 0, 0, NULL, 0, NULL, NULL, NULL, NULL, 10, 0, 1.0, \
        1, 1, 0, 0, 0, NULL, 0, NULL, NULL, NULL, 4096, NULL, NULL                                           \
  }

/* Where the model keeps a fact and which layer to edit, by causal tracing. JSON as that of `emend locate
 * --json`, with "notes". For a file of facts the decision is kept for `layer: auto`, as the program does.
 * `options` are needed. */
EMEND_API emend_status emend_locate(emend_model* model, const emend_locate_options* options,
                                    emend_text** json);

typedef struct emend_statistics_options {
  size_t size;
  const char* const* corpus; /* files and folders of text; NULL: the model writes the text itself */
  size_t corpus_count;
  const char* text_field; /* of JSON lines; NULL: "text" */
  const int32_t* layers;  /* NULL: all */
  size_t layer_count;
  int64_t tokens;  /* keys to sum; 0: 10 times d_ff, with `until` 100 times at most; -1: the whole corpus */
  double until;    /* above 0: stop when the estimated error of every layer is at most this */
  const char* bos; /* "auto", "none" or a token; NULL: "auto" */
  uint64_t seed;   /* of the sample of documents, or of the model's own text */
  int64_t window;  /* tokens of a row, >= 1 */
  int64_t block_tokens; /* keys between two checkpoints; 0: chosen by the text */
  int64_t memory_bytes; /* of the process, of the GPU where the model is there; 0: no limit */
  int32_t shard;        /* only part `shard` of `shards`, from 0 */
  int32_t shards;
  int32_t keep_sums;    /* not 0: write the float64 sums, for `emend stats merge`, instead of the layers */
  int32_t resume;       /* not 0: go on from the checkpoint in the folder */
  int32_t plan_only;    /* not 0: nothing is collected and written; the folder may be NULL */
  int64_t token_budget; /* tokens that one pass may hold, >= 1 */
  emend_progress_fn progress;
  void* progress_data;
} emend_statistics_options;
#define EMEND_STATISTICS_OPTIONS_INIT                                                                    \
  {                                                                                                      \
    sizeof(emend_statistics_options), NULL, 0, NULL, NULL, 0, 0, 0.0, NULL, 0, 512, 0, 0, 0, 1, 0, 0, 0, \
        4096, NULL, NULL                                                                                 \
  }

/* Collects second moments of the keys of feed-forward layers into `folder`, as `emend stats` does; a call
 * that was cancelled loses one block at most. `json`: NULL, or as that of `emend stats --json`: with
 * `plan_only` {"emend", "model", "plan"}, else also what was collected. */
EMEND_API emend_status emend_statistics(emend_model* model, const char* folder,
                                        const emend_statistics_options* options, emend_text** json);

typedef struct emend_benchmark_options {
  size_t size;
  const char* dataset;        /* "counterfact", "zsre", ...: a name that `emend eval` takes; needed */
  const char* data;           /* its file; needed */
  int64_t first_record;       /* among the usable records, from 0 */
  int64_t end_record;         /* behind the last one; -1: all that follow */
  int32_t known;              /* not 0: only records whose present answer is the unedited model's */
  const char* mode;           /* "single", "batch:N" or "sequential:N"; NULL: "single" */
  const char* const* methods; /* names, each with its defaults; without methods and options files: rome */
  size_t method_count;
  const char* const* method_files; /* options files (docs/evaluation.md) */
  size_t method_file_count;
  int32_t layer;          /* of methods that name none; below 0: auto */
  const char* statistics; /* folder for methods that name none; NULL: the one beside the model */
  const char* form;       /* "raw" or "chat"; NULL: "raw" */
  const char* bos;        /* "auto", "none" or a token; NULL: "auto" */
  uint64_t seed;
  int32_t plus;              /* not 0: also CounterFact+ */
  int32_t edited_neighbours; /* not 0: ask neighbours that the same edit rewrites, too */
  int64_t generations;       /* free texts of a record at most; -1: all */
  const char* snippets;      /* reference texts; NULL: consistency is not measured */
  const char* idf;           /* folder with the words' weights; NULL: those of the snippets */
  const char* drift_text;    /* plain text; NULL: text that the statistics held back */
  int64_t drift_tokens;      /* of that text; 0: drift is not measured */
  const char* out;           /* folder of the results; needed */
  int32_t resume;            /* not 0: take up the run that was begun there */
  int32_t shard; /* only part `shard` of `shards`, from 0; the last part that ends joins all of them */
  int32_t shards;
  int64_t token_budget; /* tokens that one pass may hold, >= 1 */
  emend_progress_fn progress;
  void* progress_data;
} emend_benchmark_options;
#define EMEND_BENCHMARK_OPTIONS_INIT                                                                        \
  {                                                                                                         \
    sizeof(emend_benchmark_options), NULL, NULL, 0, -1, 0, NULL, NULL, 0, NULL, 0, -1, NULL, NULL, NULL, 0, \
        0, 0, -1, NULL, NULL, NULL, 256, NULL, 0, 0, 1, 4096, NULL, NULL                                    \
  }

/* Records of a data set through one or several methods, as `emend eval` runs it, with its result files and
 * reports in `out`. `json`: NULL, or as that of `emend eval --json`; [] while parts of other processes are
 * missing. A call that was cancelled can be resumed. `options` are needed. */
EMEND_API emend_status emend_benchmark(emend_model* model, const emend_benchmark_options* options,
                                       emend_text** json);

/* ---- data sets */

typedef struct emend_convert_options {
  size_t size;
  int64_t limit; /* edits to write, at most: the first ones that fit; 0: all */
} emend_convert_options;
#define EMEND_CONVERT_OPTIONS_INIT \
  { sizeof(emend_convert_options), 0 }

/* Writes the records of the file `in` of a data set ("counterfact", "zsre", ...) as the edit file `out`, as
 * `emend convert facts` does. `json`: NULL, or as that of the program. */
EMEND_API emend_status emend_convert_facts(const char* dataset, const char* in, const char* out,
                                           const emend_convert_options* options, emend_text** json);

/* ---- checkpoints */

typedef struct emend_write_options {
  size_t size;
  const char* type; /* how edited tensors are stored: "own" (as they were), "F32", "F16", "BF16", and in GGUF
                       "Q8_0", "Q4_1", "Q4_0"; NULL: "own" in safetensors, "F16" in GGUF (F32 stays) */
  uint32_t flags; /* EMEND_FORCE: also patches that are marked as failed or overlap, and a type that does not
                     hold them */
  int32_t check;  /* not 0: load what was written, beside the model, and repeat the patches' checks on it */
  int64_t token_budget; /* tokens that one pass may hold, >= 1 */
  emend_progress_fn progress;
  void* progress_data;
} emend_write_options;
#define EMEND_WRITE_OPTIONS_INIT \
  { sizeof(emend_write_options), NULL, 0, 1, 4096, NULL, NULL }

/* The patches that are on the model, in the order in which they were applied, into a new checkpoint, as
 * `emend patch apply
 * --out` does: `out` becomes a folder for safetensors, a file for GGUF. Only the tensors that the patches
 * change get other bytes. The base's files and the model stay as they are. The whole checkpoint or nothing;
 * once it is there, it stays, also with EMEND_CHECK_FAILED (a check fails on what was written) and
 * EMEND_CANCELLED (during the checks). EMEND_BAD_INPUT: no patch is on the model, a type that the format does
 * not have or that does not hold the edit, a base whose files have changed since they were loaded, an `out`
 * that is the base or a folder with something in it, too little space (looked at first). `report`: NULL, or
 * JSON: {"written", "tensors": [...], "patches": [{"stored": [...], "checks": [...], "passed"}], "passed"}
 * with what of each update arrived in the stored type; also with EMEND_CHECK_FAILED. "passed" is null without
 * checks. */
EMEND_API emend_status emend_write(emend_model* model, const char* out, const emend_write_options* options,
                                   emend_text** report);

/* ---- result texts */

/* Valid until the text is freed; NULL for a bad handle. A NUL ends it, and may stand in it. */
EMEND_API const char* emend_text_data(emend_text* text);
EMEND_API size_t emend_text_size(emend_text* text); /* bytes, without the NUL behind; 0 for a bad handle */
EMEND_API emend_status emend_text_free(emend_text* text);

#ifdef __cplusplus
}
#endif

#endif

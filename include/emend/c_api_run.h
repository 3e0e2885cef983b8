/* The C interface: locating facts, statistics, benchmarks, data sets. Include emend/c_api.h, which says what
 * holds for all functions. */
#ifndef EMEND_C_API_RUN_H
#define EMEND_C_API_RUN_H

#include <emend/c_api_model.h>

#ifdef __cplusplus
extern "C" {
#endif

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
  int32_t resume;         /* not 0: continue with what is in `out` */
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
  const char* trial_dataset; /* their form, as in emend_benchmark; NULL: found by looking at the file */
  const char* method;        /* of a trial; NULL: "rome" */
  int64_t token_budget;      /* tokens that one pass may hold; 0: what suits the model's device */
  emend_progress_fn progress;
  void* progress_data;
  int64_t knockout_window; /* layers of an attention knockout; 0: `window`, made odd */
  int32_t reference_noise; /* not 0: the draws of NumPy's RandomState(1), as the reference program's */
  int32_t estimates;       /* not 0: also estimate all cells from one backward pass */
  int32_t shard;           /* of a file: only part `shard` of `shards`, from 0; all parts share `out` */
  int32_t shards;
  int32_t keep_decision; /* of a file: not 0: keep the decision for `layer: auto`; of a trial that edits at
                            least 10 facts */
} emend_locate_options;
#define EMEND_LOCATE_OPTIONS_INIT                                                                            \
  {                                                                                                          \
    sizeof(emend_locate_options), NULL, NULL, NULL, NULL, 0, 0, NULL, 0, NULL, NULL, NULL, NULL, 10, 0, 1.0, \
        1, 1, 0, 0, 0, NULL, 0, NULL, NULL, NULL, 4096, NULL, NULL, 0, 0, 0, 0, 1, 0                         \
  }

/* Where the model keeps a fact and which layer to edit, by causal tracing. JSON as that of `emend locate
 * --json`, with "notes"; {"emend", "model", "missing", "notes"} while `missing` facts of other shards have no
 * result yet. For a file of facts, where `keep_decision` asks for it, the decision is kept for `layer: auto`.
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
  /* Keys to sum; 0: 5 times d_ff of own text, 10 times of a corpus, with `until` 100 times at most; -1: the
   * whole corpus. */
  int64_t tokens;
  double until;         /* above 0: stop when the estimated error of every layer is at most this */
  const char* bos;      /* "auto", "none" or a token; NULL: "auto" */
  uint64_t seed;        /* of the sample of documents, or of the model's own text */
  int64_t window;       /* tokens of a row, >= 1 */
  int64_t block_tokens; /* keys between two checkpoints; 0: chosen by the text */
  int64_t memory_bytes; /* of the process, of the GPU where the model is there; 0: no limit */
  int32_t shard;        /* only part `shard` of `shards`, from 0 */
  int32_t shards;
  int32_t keep_sums;    /* not 0: write the float64 sums, for `emend stats merge`, instead of the layers */
  int32_t resume;       /* not 0: continue from the checkpoint in the folder */
  int32_t plan_only;    /* not 0: nothing is collected and written; the folder may be NULL */
  int64_t token_budget; /* tokens that one pass may hold; 0: what suits the model's device */
  emend_progress_fn progress;
  void* progress_data;
  int64_t no_texts; /* not 0: what every edit asks the unedited model is not kept beside the layers */
} emend_statistics_options;
#define EMEND_STATISTICS_OPTIONS_INIT                                                                    \
  {                                                                                                      \
    sizeof(emend_statistics_options), NULL, 0, NULL, NULL, 0, 0, 0.0, NULL, 0, 512, 0, 0, 0, 1, 0, 0, 0, \
        4096, NULL, NULL, 0                                                                              \
  }

/* Collects second moments of the keys of feed-forward layers into `folder`, as `emend stats` does; a call
 * that was cancelled loses one block at most. `json`: NULL, or as that of `emend stats --json`: with
 * `plan_only` {"emend", "model", "plan"}, else also what was collected; in both cases "warnings" and "notes".
 */
EMEND_API emend_status emend_statistics(emend_model* model, const char* folder,
                                        const emend_statistics_options* options, emend_text** json);

typedef struct emend_merge_statistics_options {
  size_t size;
  emend_progress_fn progress;
  void* progress_data;
} emend_merge_statistics_options;
#define EMEND_MERGE_STATISTICS_OPTIONS_INIT \
  { sizeof(emend_merge_statistics_options), NULL, NULL }

/* Folders of statistics as one, as if one run had summed all their text: finished layers, or the sums of
 * shards and of `keep_sums`. As `emend stats merge`; no model is needed. `json`: NULL, or as that of the
 * program. EMEND_BAD_INPUT: different models or settings, text that two of them hold, a shard that is
 * missing; nothing is written then. */
EMEND_API emend_status emend_statistics_merge(const char* const* folders, size_t count, const char* out,
                                              const emend_merge_statistics_options* options,
                                              emend_text** json);

/* The diagonals of the second moments in `folder` as an importance matrix of llama.cpp, the GGUF file `out`,
 * as `emend stats export`; no model is needed. `json`: NULL, or as that of the program. */
EMEND_API emend_status emend_statistics_export(const char* folder, const char* out, emend_text** json);

/* Second moments that ROME's and MEMIT's programs cached (NumPy archives, one file a layer) as statistics of
 * the model, in the folder `out`, as `emend stats import`; or one importance matrix of llama.cpp (GGUF),
 * which gives the diagonals of all layers. At most a folder's name says of which model the files are: the
 * caller has to make sure that it is this model. `bos`: "auto", "none" or a token; NULL: "auto". `json`:
 * NULL, or as that of the program. */
EMEND_API emend_status emend_statistics_import(emend_model* model, const char* const* files, size_t count,
                                               const char* bos, const char* out, emend_text** json);

typedef struct emend_show_statistics_options {
  size_t size;
  emend_model* model;    /* whose they must be; NULL: of any */
  const char* bos;       /* of the model: "auto", "none" or a token; NULL: "auto" */
  const int32_t* layers; /* whose spectra are included; NULL: none */
  size_t layer_count;
  emend_progress_fn progress;
  void* progress_data;
} emend_show_statistics_options;
#define EMEND_SHOW_STATISTICS_OPTIONS_INIT \
  { sizeof(emend_show_statistics_options), NULL, NULL, NULL, 0, NULL, NULL }

/* What is in a folder of statistics. JSON as that of `emend stats show --json`. EMEND_BAD_INPUT: no
 * statistics, of another model, or a layer that the folder does not have. */
EMEND_API emend_status emend_statistics_show(const char* folder, const emend_show_statistics_options* options,
                                             emend_text** json);

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
  int32_t layer;          /* of methods that name none; EMEND_LAYER_DEPTH; else below 0: a decision that is
                             kept, or by depth */
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
  int64_t token_budget; /* tokens that one pass may hold; 0: what suits the model's device */
  emend_progress_fn progress;
  void* progress_data;
  const char* curve; /* "1,10,100": numbers of edits after which a sequential run is measured on its way, or
                        "none"; NULL: those of `emend eval` */
  int64_t other_subjects; /* of a record that names none, for bleed: subjects of other records with the same
                             prompt around them */
  int64_t natural;    /* also natural stop: greedy texts of at most so many tokens, which the model is to end
                         itself; 0: not asked */
  int64_t hold_out;   /* not 0: bleed is measured at every second other subject of a record, and methods that
                         protect keys are told the rest alone */
  int64_t sampled;    /* also so many sampled texts of each prompt, and the share that begins with the answer;
                         0: none */
  double temperature; /* of these, > 0 */
  const char* forms;  /* other forms of the facts: "all" or names separated by commas; NULL: none */
  const char* forms_file; /* YAML with wordings beside those of emend; NULL: none */
  int32_t both_forms; /* not 0: the prompt, its paraphrases and the neighbours in the other form as well */
} emend_benchmark_options;
#define EMEND_BENCHMARK_OPTIONS_INIT                                                                         \
  {                                                                                                          \
    sizeof(emend_benchmark_options), NULL, NULL, 0, -1, 0, NULL, NULL, 0, NULL, 0, -1, NULL, NULL, NULL, 0,  \
        0, 0, -1, NULL, NULL, NULL, 256, NULL, 0, 0, 1, 4096, NULL, NULL, NULL, 0, 0, 0, 0, 1.0, NULL, NULL, \
        0                                                                                                    \
  }

/* Records of a data set through one or several methods, as `emend eval` runs it, with its result files and
 * reports in `out`. `json`: NULL, or as that of `emend eval --json`; [] while parts of other processes are
 * missing. A call that was cancelled can be resumed. `options` are needed. */
EMEND_API emend_status emend_benchmark(emend_model* model, const emend_benchmark_options* options,
                                       emend_text** json);

typedef struct emend_compare_options {
  size_t size;
  uint64_t seed; /* of the draws */
  int64_t draws; /* of the bootstrap, >= 1 */
} emend_compare_options;
#define EMEND_COMPARE_OPTIONS_INIT \
  { sizeof(emend_compare_options), 0, 10000 }

/* Two folders of results over the records that both evaluated, as `emend eval compare`. JSON as that of the
 * program; no model is needed. */
EMEND_API emend_status emend_benchmark_compare(const char* first, const char* second,
                                               const emend_compare_options* options, emend_text** json);

/* ---- abilities */

typedef struct emend_abilities_options {
  size_t size;
  const char* bos;      /* "auto", "none" or a token; NULL: "auto" */
  int64_t token_budget; /* tokens that one pass may hold; 0: what suits the model's device */
  uint64_t seed;        /* of the draws of the interval of the difference */
  int64_t draws;        /* of it, >= 1 */
  const char* out;      /* folder for abilities.json, and items.jsonl with every item; NULL: none */
  emend_progress_fn progress;
  void* progress_data;
} emend_abilities_options;
#define EMEND_ABILITIES_OPTIONS_INIT \
  { sizeof(emend_abilities_options), NULL, 4096, 0, 10000, NULL, NULL, NULL }

/* What else the model can do: the multiple-choice items of these files (MMLU, ARC, HellaSwag, BoolQ, PIQA;
 * docs/abilities.md) by likelihood, on the model as it was loaded and, unless `patch_count` is 0, once more
 * with the patches on it, as `emend eval abilities`. Two patches that write the same key are
 * refused. JSON as that of the program, with "warnings". */
EMEND_API emend_status emend_abilities(emend_model* model, const char* const* files, size_t file_count,
                                       emend_patch* const* patches, size_t patch_count,
                                       const emend_abilities_options* options, emend_text** json);

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

#ifdef __cplusplus
}
#endif

#endif

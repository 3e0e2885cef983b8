/* The C interface: edits, patches, checkpoints and adapters that hold them. Include emend/c_api.h, which says
 * what holds for all functions. */
#ifndef EMEND_C_API_EDIT_H
#define EMEND_C_API_EDIT_H

#include <emend/c_api_model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- edits */

typedef struct emend_edit_options {
  size_t size;
  const char* name;       /* stands for the file in messages; NULL: "edit.yaml" */
  const char* folder;     /* where relative paths in the text begin; NULL: the current folder */
  const char* statistics; /* folder of statistics, whatever the text names; NULL: that of the text, else the
                             one beside the model */
  int32_t layer;      /* the layer to edit, whatever the text names, or EMEND_LAYER_OF_TEXT, _DEPTH, _AUTO */
  int32_t keep_going; /* not 0: leave out edits whose search fails */
  uint64_t seed;      /* of contexts, and of text that the model writes for statistics */
  int64_t token_budget; /* tokens that one pass may hold; 0: what suits the model's device */
  emend_progress_fn progress;
  void* progress_data;
  const char* settings; /* of emend_edit_facts: YAML with the keys of an edit file other than `edits:`, such
                           as "method: rome\noptions: {steps: 30}"; NULL: all defaults */
  const char* method;   /* whatever the text names; NULL: that of the text */
  const char* bos;      /* "auto", "none" or a token, whatever the text names; NULL: that of the text */
  const char* on;      /* file of a patch whose facts are kept: the new patch holds them, too, solved together
                          with those of the text, by a method that can (bulk and related ones); NULL: none */
  const char* protect; /* whose answers the edit leaves alone: "none", "neighbours" or "auto" (docs/bleed.md),
                          whatever the text names; NULL: that of the text, or if it names none, "auto" by
                          methods that can protect and up to 100 edits, else "none" */
  const char* run_file; /* where values that were found are kept while the run goes on, for one that is
                           stopped and taken up; NULL: nowhere. Yours to delete once the patch is saved; a
                           search that fails deletes it */
  int64_t resume;       /* not 0: go on with the values in run_file; the patch is that of a run that was not
                           stopped */
  double run_file_seconds; /* between two writes of run_file, at least; >= 0 */
  int64_t memory_bytes; /* of the process, which makes the search take smaller batches; 0: no limit. Give it
                           to emend_model_load as well, for the weights */
  const char* budget_drift; /* stop adding facts when held text has drifted further: "1.05", a ratio of
                               perplexities, or "kl:0.02", nats (methods that carry earlier facts); NULL: no
                               budget. EMEND_CHECK_FAILED if it left facts out */
  int64_t budget_batch; /* facts that are added between two measurements; 0: a tenth of them, at most 100 */
  emend_text** report;  /* not NULL: gets JSON as that of `emend edit --json`, whenever there is a patch */
  const char* end;      /* whether the model is taught to end its text behind the target: "auto", "eos" or
                           "none" (docs/rome.md), whatever the text names; NULL: that of the text */
} emend_edit_options;
#define EMEND_EDIT_OPTIONS_INIT                                                                             \
  {                                                                                                         \
    sizeof(emend_edit_options), NULL, NULL, NULL, -1, 0, 0, 4096, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
        NULL, 0, 1.0, 0, NULL, 0, NULL, NULL                                                                \
  }

/* Makes and checks the edits of `yaml`, an edit file's text (docs/formats.md), as `emend edit` does;
 * `model:` and `outputs:` in it are ignored. The patch is for the model as it was loaded: patches that are
 * on it are off meanwhile, and on again afterwards. The model is not changed: emend_apply does that.
 * Statistics that are not there are collected and saved first. With EMEND_CHECK_FAILED, and with
 * EMEND_NUMERIC when keep_going is set, a patch is returned nevertheless. */
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
  const char* id;      /* of the edit; NULL: edit-1, edit-2, ... by its place */
  const char* const* paraphrases; /* other prompts that the target must follow */
  size_t paraphrase_count;
  const char* const* neighbours;        /* prompts about other things, whose answers must stay, ... */
  const char* const* neighbour_answers; /* ... and these answers; NULL, and NULL in it: the model's own */
  size_t neighbour_count;
  const char* const* bleed;         /* other subjects of the kind of `subject`, which the edit must not reach
                                       (docs/bleed.md), ... */
  const char* const* bleed_answers; /* ... and their answers to the same prompt; NULL as above */
  size_t bleed_count;
} emend_fact;
#define EMEND_FACT_INIT \
  { sizeof(emend_fact), NULL, NULL, NULL, NULL, 0, NULL, NULL, 0, NULL, NULL, 0, NULL, NULL, 0 }

/* As emend_edit, with edits from code: `count` facts. */
EMEND_API emend_status emend_edit_facts(emend_model* model, const emend_fact* facts, size_t count,
                                        const emend_edit_options* options, emend_patch** patch);

/* Layers, conflicts and costs of the edits of `yaml`, without a search; nothing is written. JSON as that of
 * `emend edit --dry-run --json`. Without statistics it holds ids and layers only. Options of edits that are
 * made are refused: run_file, resume, budget_drift, report. */
EMEND_API emend_status emend_plan(emend_model* model, const char* yaml, const emend_edit_options* options,
                                  emend_text** json);

/* ---- patches */

EMEND_API emend_status emend_patch_load(const char* path, emend_patch** patch);
/* The whole file or nothing. EMEND_BAD_INPUT for a patch that changes nothing. */
EMEND_API emend_status emend_patch_save(emend_patch* patch, const char* path);
/* JSON as that of `emend patch list --json`, without "path". */
EMEND_API emend_status emend_patch_report(emend_patch* patch, emend_text** json);
/* How two patches differ: settings, edits and the changes of each layer. JSON as that of `emend patch diff
 * --json`; no model is needed. */
EMEND_API emend_status emend_patch_diff(emend_patch* first, emend_patch* second, emend_text** json);
EMEND_API emend_status emend_patch_free(emend_patch* patch);

enum {
  EMEND_FORCE = 1
}; /* emend_apply: also a patch that is marked as failed or overlaps; emend_write: see its options */

/* Lays the patch on the model, over those that are on it already; the patch may be freed afterwards.
 * EMEND_BAD_INPUT: made for another base, or on the model already; without EMEND_FORCE also: marked as
 * failed, or writing a key that a patch on the model writes, where their updates would add up. */
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
  int64_t token_budget; /* tokens that one pass may hold; 0: what suits the model's device */
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
  int64_t token_budget; /* tokens that one pass may hold; 0: what suits the model's device */
  emend_progress_fn progress;
  void* progress_data;
} emend_compose_options;
#define EMEND_COMPOSE_OPTIONS_INIT \
  { sizeof(emend_compose_options), NULL, 4096, NULL, NULL }

/* The patch without the edit `id`, and several patches of one base as one; no search, and the patches given
 * stay as they are. The result is checked on the model. With EMEND_CHECK_FAILED the result is returned
 * nevertheless. `json`: NULL, or as that of `emend patch drop --json` and `emend patch merge --json`, with
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
  int64_t token_budget; /* tokens that one pass may hold; 0: what suits the model's device */
  emend_progress_fn progress;
  void* progress_data;
} emend_inspect_options;
#define EMEND_INSPECT_OPTIONS_INIT \
  { sizeof(emend_inspect_options), NULL, 4096, NULL, NULL }

/* What became of a checkpoint, which `model` was loaded from: which weights differ from the base and by what
 * rank, which of the patches are in it, how far it answers as they say. The base is loaded beside the model
 * for a while. JSON as that of `emend model inspect --json`, with "warnings". Which of given subjects were
 * edited (`--subjects` of the command) cannot be asked here; C++ has find_edited_subjects. */
EMEND_API emend_status emend_inspect(emend_model* model, emend_patch* const* patches, size_t count,
                                     const emend_inspect_options* options, emend_text** json);

/* ---- checkpoints */

typedef struct emend_write_options {
  size_t size;
  const char* type; /* how edited tensors are stored: "own" (as they were), "F32", "F16", "BF16", and in GGUF
                       "Q4_0" to "Q8_0", "Q2_K" to "Q6_K", "IQ4_NL", "IQ4_XS"; NULL: "own" in safetensors,
                       "F16" in GGUF (F32 stays) */
  uint32_t flags; /* EMEND_FORCE: also patches that are marked as failed or overlap, and a type that does not
                     hold them */
  int32_t check;  /* not 0: load what was written, beside the model, and repeat the patches' checks on it */
  int64_t token_budget; /* tokens that one pass may hold; 0: what suits the model's device */
  emend_progress_fn progress;
  void* progress_data;
  const char* statistics; /* folder of second moments, which weight the rounding to a quantised type that is
                             kept; NULL: none */
  const char* imatrix; /* importance matrix of llama.cpp (GGUF), for tensors and layers that the folder does
                          not have; NULL: none */
} emend_write_options;
#define EMEND_WRITE_OPTIONS_INIT \
  { sizeof(emend_write_options), NULL, 0, 1, 4096, NULL, NULL, NULL, NULL }

/* The patches that are on the model, in the order in which they were applied, into a new checkpoint, as
 * `emend patch apply --out` does: `out` becomes a folder for safetensors, a file for GGUF. Only the tensors
 * that the patches change get other bytes. The base's files and the model stay as they are. The whole
 * checkpoint or nothing; once it is there, it stays, also with EMEND_CHECK_FAILED (a check fails on what was
 * written) and EMEND_CANCELLED (during the checks). EMEND_BAD_INPUT: no patch is on the model, a type that
 * the format does not have or that does not hold the edit, a base whose files have changed since they were
 * loaded, an `out` that is the base or a folder with something in it, too little space (looked at first).
 * `report`: NULL, or JSON as that of `emend patch apply --json`, with what of each update arrived in the
 * stored type; also with EMEND_CHECK_FAILED. "passed" is null without checks. */
EMEND_API emend_status emend_write(emend_model* model, const char* out, const emend_write_options* options,
                                   emend_text** report);

/* The same into the files that the model was loaded from, as `emend patch apply --in-place` does. First the
 * file `undo` is written, from which emend_restore gives the old files back; NULL: emend.undo in the model's
 * folder, or FILE.undo (of a split GGUF model: of its first file), with .2, .3 ... behind it while that name
 * is taken. The model in memory stays as it is, its base included: load the files again to continue with
 * what they hold now. `report`: NULL, or as that of emend_write with "undo". EMEND_BAD_INPUT also for an
 * `undo` that is there already, and for files that may not be written. */
EMEND_API emend_status emend_write_in_place(emend_model* model, const char* undo,
                                            const emend_write_options* options, emend_text** report);

/* Takes a write in place back, as `emend patch revert` does: the files of the model `path` are what they
 * were, byte for byte, and the undo file is gone. `undo` NULL: the last one of this model. `json`: NULL, or
 * as that of the program. EMEND_BAD_INPUT: there is no undo file, or a file of the model has changed since.
 */
EMEND_API emend_status emend_restore(const char* path, const char* undo, emend_text** json);

/* ---- adapters */

typedef struct emend_export_options {
  size_t size;
  const char* format;    /* "lora": a folder for PEFT; "gguf-lora": a file for llama.cpp; NULL: "lora" */
  const char* base_name; /* "lora": what its config names as the base; NULL: the path of the model's folder */
  uint32_t flags;        /* EMEND_FORCE: also patches that are marked as failed or overlap */
} emend_export_options;
#define EMEND_EXPORT_OPTIONS_INIT \
  { sizeof(emend_export_options), NULL, NULL, 0 }

/* The patches as one low-rank adapter for programs that load it beside the base, which stays as it is, as
 * `emend export` does. `out`: a folder that does not exist or is empty, or the GGUF file. The patches must be
 * made for `model`; those that are on it do not matter. `json`: NULL, or as that of `emend export --json`
 * with "warnings", also with EMEND_CHECK_FAILED: what was read back is not what the patches hold. */
EMEND_API emend_status emend_export(emend_model* model, emend_patch* const* patches, size_t count,
                                    const char* out, const emend_export_options* options, emend_text** json);

#ifdef __cplusplus
}
#endif

#endif

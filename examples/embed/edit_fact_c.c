#include <emend/c_api.h>
#include <stdio.h>

/* edit_fact_c MODEL YAML PROMPT: edits the facts of an edit file's text, then continues a prompt with the
 * edited model. */
static int failed(void) {
  fprintf(stderr, "%s\n", emend_last_error());
  return 1;
}

int main(int argc, char** argv) {
  emend_model* model = NULL;
  emend_patch* patch = NULL;
  emend_text* text = NULL;
  if (argc != 4) return 2;
  if (emend_model_load(argv[1], NULL, &model) != EMEND_OK) return failed();
  if (emend_edit(model, argv[2], NULL, &patch) != EMEND_OK) return failed();
  if (emend_apply(model, patch, 0) != EMEND_OK) return failed();
  if (emend_generate(model, argv[3], NULL, &text) != EMEND_OK) return failed();
  printf("%s%s\n", argv[3], emend_text_data(text));
  emend_text_free(text);
  emend_patch_free(patch);
  emend_model_free(model);
  return 0;
}

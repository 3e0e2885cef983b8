#include <emend/emend.h>

#include <iostream>

// edit_fact MODEL EDITS.yaml PATCH: edits facts, saves the patch, shows what the edited model says.
int main(int argc, char** argv) try {
  if (argc != 4) return 2;
  emend::Model model = emend::Model::load(argv[1]);
  const emend::EditFile file = emend::read_edit_file(argv[2]);
  const emend::Patch patch = emend::run_edit(model, file).patch;
  emend::save_patch(patch, argv[3]);
  const emend::ScopedEdit scope(model, patch.edit.changes);  // on the model until the scope ends
  const emend::CheckOptions how{.prefix = patch.prefix, .form = patch.form};
  for (const emend::FactState& fact : emend::measure_facts(model, file.edits, how))
    std::cout << fact.id << ":" << fact.prompt.completion << "\n";
} catch (const emend::Error& error) {
  std::cerr << error.what() << "\n";
  return 1;
}

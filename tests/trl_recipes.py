"""Values for every key of trl.SFTConfig, each another one than TRL's default, and five recipes in TRL's names."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

# Where a value cannot be made from the type of the key.
VALUES: dict[str, Any] = {
    "lr_scheduler_type": "cosine",
    "lr_scheduler_kwargs": {"num_cycles": 2},
    "optim": "adamw_torch",
    "optim_args": "betas=0.8",
    "optim_target_modules": ["q_proj"],
    "bf16": False,
    "activation_checkpointing": False,
    "activation_checkpointing_kwargs": {"use_reentrant": False},
    "gradient_checkpointing": False,
    "gradient_checkpointing_kwargs": {"use_reentrant": False},
    "liger_kernel_config": {"rope": False},
    "logging_strategy": "epoch",
    "include_num_input_tokens_seen": "all",
    "disable_tqdm": True,
    "report_to": ["tensorboard"],
    "trackio_static_space_id": "owner/space",
    "eval_strategy": "epoch",
    "eval_steps": 7,
    "save_strategy": "epoch",
    "fsdp": "full_shard",
    "fsdp_config": {"min_num_params": 5},
    "accelerator_config": {"split_batches": True},
    "deepspeed": {"zero_optimization": {"stage": 1}},
    "debug": "underflow_overflow",
    "dataloader_persistent_workers": True,
    "trust_remote_code": True,
    "pad_to_multiple_of": 8,
    "label_names": ["labels"],
    "include_for_metrics": ["loss"],
    "torch_compile_backend": "eager",
    "torch_compile_mode": "reduce-overhead",
    "eos_token": "<|im_end|>",
}
# Keys that ask for another one beside them.
BESIDE: dict[str, dict[str, Any]] = {
    "eval_strategy": {},
    "dataloader_prefetch_factor": {"dataloader_num_workers": 2},
    "dataloader_persistent_workers": {"dataloader_num_workers": 2},
    "liger_kernel_config": {},
}


def other_value(field: dataclasses.Field[Any], hint: Any) -> Any:
    """Make a value of the type that is not the default."""
    if field.name in VALUES:
        return VALUES[field.name]
    members = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Literal:
        return next(word for word in members if word != field.default)
    kinds = members or (hint,)
    for member in kinds:
        if typing.get_origin(member) is typing.Literal:
            return next(word for word in typing.get_args(member) if word != field.default)
    if bool in kinds:
        return not field.default
    if int in kinds:
        return 7
    if float in kinds:
        return 0.25
    if str in kinds:
        return "something"
    raise AssertionError(f"{field.name}: no value for {hint}")


# As TRL documents its keys for `trl sft`; only our sections are added.
TRL_RECIPES: dict[str, str] = {
    "full": """
model_name_or_path: Qwen/Qwen3-0.6B
dataset_name: trl-lib/Capybara
learning_rate: 2.0e-5
num_train_epochs: 1
per_device_train_batch_size: 2
gradient_accumulation_steps: 8
eos_token: '<|im_end|>'
eval_strategy: steps
eval_steps: 100
output_dir: Qwen3-0.6B-SFT
push_to_hub: true
hub_model_id: owner/Qwen3-0.6B-SFT
""",
    "lora": """
model_name_or_path: Qwen/Qwen3-0.6B
dataset_name: trl-lib/Capybara
dataset_train_split: train
dataset_test_split: test
learning_rate: 2.0e-4
num_train_epochs: 1
packing: false
per_device_train_batch_size: 2
gradient_accumulation_steps: 8
gradient_checkpointing: true
use_peft: true
lora_r: 32
lora_alpha: 16
lora_target_modules: all-linear
output_dir: Qwen3-0.6B-SFT-LoRA
report_to: none
""",
    "qlora": """
model_name_or_path: Qwen/Qwen3-4B-Base
model_revision: main
dtype: bfloat16
attn_implementation: sdpa
load_in_4bit: true
bnb_4bit_quant_type: nf4
use_bnb_nested_quant: true
use_peft: true
lora_r: 16
lora_alpha: 32
lora_dropout: 0.05
lora_target_modules: [q_proj, k_proj, v_proj, o_proj]
lora_modules_to_save: [lm_head]
lora_task_type: CAUSAL_LM
bf16: true
do_train: true
completion_only_loss: true
dataset_name: owner/instructions
dataset_config: default
dataset_num_proc: 8
max_length: 2048
optim: paged_adamw_8bit
max_steps: 1000
warmup_steps: 0.03
lr_scheduler_type: cosine
logging_steps: 5
logging_first_step: true
save_steps: 100
save_total_limit: 3
seed: 7
output_dir: out
""",
    "mixture": """
model_name_or_path: HuggingFaceTB/SmolLM2-135M
model_init_kwargs: {attn_implementation: sdpa, dtype: float32}
datasets:
  - path: owner/first
    split: train
  - path: owner/second
    name: english
    split: train[:1000]
padding_free: true
per_device_train_batch_size: 4
learning_rate: 1e-5
adam_beta2: 0.95
max_grad_norm: 0.2
output_dir: out
""",
    "published": """
model_name_or_path: Qwen/Qwen3-0.6B
dataset_name: owner/data
resume_from_checkpoint: true
save_strategy: steps
save_steps: 50
hub_strategy: every_save
push_to_hub: true
hub_model_id: owner/model
hub_private_repo: false
hub_always_push: true
trust_remote_code: false
ddp_timeout: 7200
log_level: info
output_dir: out
""",
}

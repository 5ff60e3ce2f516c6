import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";

import { IconButton } from "@/components/ui/button";
import { sayError } from "@/components/ui/toast";

/** Copies a text; shows a tick for a moment. */
export function CopyButton({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = () =>
    navigator.clipboard.writeText(text).then(
      () => setCopied(true),
      (error: unknown) => sayError("Nothing was copied", error),
    );
  return (
    <IconButton label={copied ? "Copied" : label} icon={copied ? <Check /> : <Copy />} onClick={() => void copy()} />
  );
}

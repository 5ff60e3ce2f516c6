import { CSPProvider } from "@base-ui/react/csp-provider";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { lazy, StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";

import { TipLayer } from "@/components/ui/tip-layer";
import { queryClient } from "@/query-client";
import { router } from "@/router";
import "@/styles/index.css";

// Nothing is said before something was done: it need not be there for the first paint.
const ToastHost = lazy(() => import("@/components/ui/toast-host").then((module) => ({ default: module.ToastHost })));

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");

createRoot(root).render(
  <StrictMode>
    <CSPProvider disableStyleElements>
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router} />
        <TipLayer />
        <Suspense>
          <ToastHost />
        </Suspense>
      </QueryClientProvider>
    </CSPProvider>
  </StrictMode>,
);
